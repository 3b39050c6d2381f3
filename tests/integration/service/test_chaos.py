"""Random SIGKILLs while seeded searches run: a short form with all tests, the long one by `make chaos`."""

from __future__ import annotations

import pytest

from benchmarks import chaos
from benchmarks.chaos import FAST, Plan, run

SHORT = Plan(postgres=False, executor="local", kills=4, searches=2, evaluations=16, pause_s=1.5, timing=FAST)


def require_sound(report: chaos.Report) -> None:
    assert report.faults == ()
    assert (report.unfinished, report.lost, report.duplicated, report.different) == (0, 0, 0, 0)
    assert sum(report.killed.values()) > 0


@pytest.mark.slow
def test_killed_processes_lose_and_repeat_nothing() -> None:
    require_sound(run(SHORT, seed=1))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("postgres", [False, True], ids=["sqlite", "postgres"])
def test_a_hundred_kills_on_ray_lose_and_repeat_nothing(postgres: bool) -> None:
    report = run(Plan(postgres, "ray", 100, 12, 160, 6.0, {"attempts": 20}, workers=3), seed=int(postgres))
    require_sound(report)
    resumed = sorted(report.resume_s)
    print(f"\n{dict(report.killed)}; kill to resume, s: {[round(second, 1) for second in resumed]}")
