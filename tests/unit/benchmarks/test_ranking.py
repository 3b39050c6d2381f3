"""The statistics of the ranking benchmark, on orders known in advance."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ranking import CLAIM, PARTS, STUDIES
from benchmarks.ranking_study import Bench
from benchmarks.ranking_table import figures
from benchmarks.rows import Rows
from evaluators.rank_statistics import concordance, interval, regret, rho, standardised, tau, top_half

UP = np.arange(10, dtype=np.float64)


def test_perfect_and_reversed_orders() -> None:
    assert tau(UP, 3 * UP) == rho(UP, UP**3) == top_half(UP, UP) == pytest.approx(1)
    assert tau(UP, -UP) == pytest.approx(-1)
    assert regret(UP, UP) == 0 and regret(UP, -UP) == 9
    assert standardised(UP).mean() == pytest.approx(0) and standardised(UP).std() == pytest.approx(1)


def test_one_swapped_pair_of_ten_costs_two_in_fortyfive() -> None:
    score = UP.copy()
    score[[3, 4]] = score[[4, 3]]
    assert tau(UP, score) == pytest.approx(1 - 2 / 45)


def test_the_top_half_ignores_disorder_below() -> None:
    score = UP.copy()
    score[:5] = score[:5][::-1]
    assert top_half(UP, score) == pytest.approx(1) and tau(UP, score) < 0.7


def test_concordance_looks_within_groups_only() -> None:
    groups = np.array([0.0, 0, 1, 1])
    truth, score = np.array([1.0, 2, 3, 4]), np.array([30.0, 40, 10, 20])
    assert concordance(truth, score, groups) == 1 and tau(truth, score) < 0
    assert concordance(truth, np.array([2.0, 1, 2, 1]), groups) == -1
    assert np.isnan(concordance(truth, score, UP[:4]))


def test_the_interval_holds_the_value_and_is_wide_for_few() -> None:
    rng = np.random.default_rng(0)
    score = UP + rng.normal(0, 4, 10)
    few = interval(tau, UP, score)
    long = np.arange(80, dtype=np.float64)
    many = interval(tau, long, long + rng.normal(0, 32, 80))
    assert few.low <= few.value <= few.high and many.high - many.low < few.high - few.low
    assert interval(tau, UP, UP).low == pytest.approx(1)


def test_rows_survive_and_partial_figures_come_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluators.rank_statistics.REPLICATES", 30)
    truth, scores = Rows(tmp_path / "truth.jsonl"), Rows(tmp_path / "scores.jsonl")
    rng = np.random.default_rng(1)
    for index in range(12):
        ap = 0.3 + 0.02 * index
        for seed in (0, 1):
            row = {"key": str(index), "seed": seed, "ap": ap + rng.normal(0, 0.002), "loss": 1 - ap}
            truth.add({**row, "width": 16 * (1 + index % 3), "parameters": 1000 + index, "macs": 1e6 + index})
        scores.add(
            {"key": str(index), "training": "single_path", "seed": 0}
            | {k: {"ap": ap, "loss": 1 - ap} for k in ("inherited", "adapted50")}
        )
        longer = {"key": str(index), "training": "single_path", "seed": 0}
        scores.add({**longer, "adapted100": {"ap": -ap, "loss": 1 - ap}})
    trainings = Rows(tmp_path / "trainings.jsonl")
    trainings.add({"training": "single_path", "seed": 0, "steps": 100, "cpu_ms_a_step": 20.0})
    again = Rows(tmp_path / "truth.jsonl")
    assert (
        again.rows == truth.rows and again.find(key="3", seed=1) is not None and again.find(key="99") is None
    )
    made = {
        figure.name: figure
        for figure in figures(again.rows, Rows(tmp_path / "scores.jsonl"), trainings, tuple(CLAIM.trainings))
    }
    assert made["architectures"].value == 12 and made["single_path_adapted50_tau"].value == pytest.approx(1)
    assert made["single_path_adapted100_tau"].value == pytest.approx(-1)
    assert made["single_path_adapted100_by_loss_tau"].value == pytest.approx(1)
    assert made["single_path_inherited_regret"].value == 0 and made["ceiling_tau"].value > 0.9
    assert made["single_path_seconds"].value == 2
    ceiling = made["ceiling_tau"].value
    assert made["single_path_adapted50_reach"].value == pytest.approx(max(1 / 0.85, 1 / (0.9 * ceiling)))
    assert not figures([], scores, trainings, tuple(CLAIM.trainings), "other_")
    assert json.loads((tmp_path / "truth.jsonl").read_text().splitlines()[0])["key"] == "0"


def test_every_draw_is_of_distinct_architectures_of_its_space() -> None:
    for study in STUDIES.values():
        drawn = Bench(study).architectures
        assert len({a.key for a in drawn}) == len(drawn) == study.architectures
        assert {a.nodes[-1].width for a in drawn} == set(study.space["widths"])


def test_every_truth_and_every_supernet_is_a_part() -> None:
    for name, study in STUDIES.items():
        supernets = [
            f"{training}-{seed}" for training, t in study.trainings.items() for seed in range(t.seeds)
        ]
        assert {f"{name}/{part}" for part in ["truth-0", "truth-1", *supernets]} <= set(PARTS)
