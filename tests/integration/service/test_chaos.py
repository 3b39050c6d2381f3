"""Random SIGKILLs while seeded searches run: a short form with all tests, the long one by `make chaos`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import chaos
from benchmarks.chaos import FAST, Plan, Report, run

SHORT = Plan(postgres=False, executor="local", kills=4, searches=2, evaluations=16, pause_s=1.5, timing=FAST)


def require_sound(report: chaos.Report) -> None:
    assert report.faults == ()
    assert (report.unfinished, report.lost, report.duplicated, report.different) == (0, 0, 0, 0)
    assert sum(report.killed.values()) > 0


def test_a_part_is_kept_as_it_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chaos, "PARTS", tmp_path)
    measured = Report(Counter(api=2, worker=3), 12, 0, 0, 0, 0, (1.5, 2.5), ("late",))
    chaos._keep("sqlite", measured, quick=False)
    assert chaos._kept("sqlite") == measured


@pytest.mark.slow
def test_killed_processes_lose_and_repeat_nothing() -> None:
    require_sound(run(SHORT, seed=1))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", [*chaos.PLANS, "demo"])
def test_hundreds_of_kills_on_ray_lose_and_repeat_nothing(
    part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = chaos.run_part(part, quick=False)
    with capsys.disabled():
        killed = ", ".join(f"{count} {kind}" for kind, count in sorted(report.killed.items()))
        print(f"\n{part}: killed {killed}; kill to resume, s: {quantiles(report.resume_s)}")
    require_sound(report)


def quantiles(seconds: tuple[float, ...]) -> str:
    """The median and the 99th percentile, in words."""
    ordered = sorted(seconds)
    if not ordered:
        return "no search was interrupted"
    p50, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99))
    return f"p50 {p50:.1f}, p99 {p99:.1f}, of {len(ordered)} interruptions"
