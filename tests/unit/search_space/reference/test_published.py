"""Every published number, to the last parameter."""

import pytest

from search_space.published import ROWS, Published, compare
from search_space.reference import build


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_row(row: Published) -> None:
    found = compare(row)
    assert found.parameters == row.parameters
    assert found.gmacs == pytest.approx(row.gmacs, rel=0.005)
    assert found.agrees


def test_whole_detectors_differ_by_fpn_and_heads() -> None:
    """detectron2: backbone + FPN has 31,452,352 parameters, conv-only ResNet-50 23,454,912."""
    fpn = build("fpn@retinanet", {3: 512, 4: 1024, 5: 2048})
    assert fpn.parameters() == 31_452_352 - 23_454_912
    head = 2 * 4 * (256 * 256 * 9 + 256) + (256 * 9 + 1) * 9 * (80 + 4)
    assert 31_452_352 + head == 37_915_572
