"""The latency benchmark: which necks count, and parts that an interrupted run keeps."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import latency
from benchmarks.form import Figure
from benchmarks.latency_necks import DRAWN, HELD_OUT_SEEDS, QUICK_SEEDS, SEEDS, SPACES, sampled
from evaluators.latency.calibrate import designed


def test_a_smaller_budget_is_the_start_of_a_larger_one() -> None:
    assert len(DRAWN) == 50
    assert len({*SEEDS, *HELD_OUT_SEEDS, *QUICK_SEEDS}) == 8
    for budget in (20, 50):
        assert DRAWN[:budget].count(False) == designed(budget)


def test_necks_are_new_and_of_every_space() -> None:
    taken: set[str] = set()
    first = sampled(6, np.random.default_rng(0), taken)
    again = sampled(6, np.random.default_rng(0), taken)
    keys = {neck.architecture.key for neck in (*first, *again)}
    assert len(keys) == len(taken) == 12
    assert {neck.encoding[0] for neck in first if neck.encoding is not None} == set(range(len(SPACES)))


def test_a_part_is_measured_once_until_the_whole_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def measuring(name: str) -> latency.Measuring:
        def measure(*, quick: bool) -> list[Figure]:
            asked.append(f"{name}{' quick' if quick else ''}")
            return [Figure(f"{name}_error", 0.03, "1", low=0.02, high=0.04)]

        return measure

    monkeypatch.setattr(latency, "PARTS", tmp_path / "parts")
    monkeypatch.setattr(latency, "MEASURES", {name: measuring(name) for name in ("one", "two")})
    assert latency.part("one") == latency.part("one")
    assert json.loads((tmp_path / "parts" / "one.json").read_text())[0]["name"] == "one_error"
    names = [figure.name for figure in latency.measure_all(quick=False)]
    assert names == ["one_error", "one_part_s", "two_error", "two_part_s"]
    assert asked == ["one", "two"]
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["last"], "kept for a closer look"
