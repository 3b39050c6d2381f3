"""The differences that the fine-tuning benchmark reports, and the neck that it chooses."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.finetune import chosen, difference
from benchmarks.rows import Rows


def row(ap: float, *replicates: float) -> dict[str, Any]:
    return {"ap": ap, "replicates": list(replicates)}


def test_a_difference_has_the_error_of_images_and_of_seeds() -> None:
    ours = [row(0.62, 0.61, 0.63), row(0.64, 0.63, 0.65), row(0.66, 0.65, 0.67)]
    theirs = [row(0.60, 0.60, 0.60)]
    mean, low, high = difference(ours, theirs)
    assert mean == pytest.approx(0.04)
    # Seeds: variance 0.0004 / 3. Images: the replicates' means differ by 0.02, variance 0.0002.
    freedom = (0.0002 + 0.0004 / 3) ** 2 / ((0.0004 / 3) ** 2 / 2)
    assert freedom == pytest.approx(12.5)
    half = 2.1693 * (0.0002 + 0.0004 / 3) ** 0.5  # Student's t, 12.5 degrees of freedom, 97.5 %
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)


def test_what_is_paired_cancels() -> None:
    ours, theirs = [row(0.62, 0.5, 0.7)], [row(0.60, 0.48, 0.68)]
    assert difference(ours, theirs) == pytest.approx((0.02, 0.02, 0.02))


def test_one_seed_has_no_spread_of_seeds() -> None:
    mean, low, high = difference([row(0.62, 0.61, 0.63)], [row(0.60, 0.60, 0.60)])
    assert mean == pytest.approx(0.02) and low < 0.02 < high


def test_the_best_finalist_after_tuning_is_chosen_of_its_own_front(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.jsonl")
    for dataset, key, ap in (("a", "one", 0.4), ("a", "two", 0.5), ("b", "one", 0.9)):
        rows.add({"part": "finalist", "dataset": dataset, "key": key, "val_ap": ap})
    front = {"dataset": "a", "finalists": [{"key": "one"}, {"key": "two"}]}
    assert chosen(rows, front)["key"] == "two"
