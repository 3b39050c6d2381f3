"""Digits whose class lies elsewhere: labels that follow from the image, parts far from what they decide."""

import json
from pathlib import Path

import numpy as np
import pytest

from supernet.data.digits import source_digits
from supernet.data.digits_context import (
    DIGITS,
    NAMES,
    OUTLINES,
    PARTS,
    compose,
    make_digits_context,
    make_digits_parts,
)

SCANS = source_digits(0)[0]


@pytest.mark.parametrize("seed", range(6))
def test_parts_and_context_label_the_same_image(seed: int) -> None:
    context = compose(np.random.default_rng(seed), 128, SCANS)
    parts = compose(np.random.default_rng(seed), 128, SCANS, parts=True)
    assert np.array_equal(context.pixels, parts.pixels)
    names, of_parts = [NAMES[n] for n in context.labels], [PARTS[n] for n in parts.labels]
    mark, *digits, outline = of_parts
    assert outline in OUTLINES and names == [*(f"{digit} in {outline}" for digit in digits), f"{mark} inside"]
    assert parts.boxes[1:] == context.boxes


@pytest.mark.parametrize("seed", range(6))
def test_digits_lie_beyond_the_reach_of_a_fine_level_from_their_outline(seed: int) -> None:
    sample = compose(np.random.default_rng(seed), 128, SCANS)
    *digits, (left, top, right, bottom) = sample.boxes
    for x0, y0, x1, y1 in digits:
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        assert min(x - left, right - x, y - top, bottom - y) > 40
    assert all(label < DIGITS * len(OUTLINES) for label in sample.labels[:-1])


def test_both_datasets_are_written_once_and_never_into_each_other(tmp_path: Path) -> None:
    for make, names in ((make_digits_context, NAMES), (make_digits_parts, PARTS)):
        root = make(tmp_path / make.__name__, train=2, val=1)
        (annotations,) = root.joinpath("train").glob("*.json")
        found = json.loads(annotations.read_text())
        assert [category["name"] for category in found["categories"]] == list(names)
        assert make(root, train=2, val=1) == root
    with pytest.raises(Exception, match="holds"):
        make_digits_parts(tmp_path / "make_digits_context", train=2, val=1)
