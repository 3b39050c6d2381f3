"""What a calibration shows."""

import pytest

from search_space.spaces.fusion_grid import FusionGrid
from service.ui import calibrations

SPACE = {"space": "fusion_grid", "channels": {"3": 40, "4": 112, "5": 320}, "widths": [24, 32]}


def test_example_is_the_first_published_neck_of_the_space() -> None:
    found = calibrations.example(SPACE)
    assert found is not None and found[0] == "fpn"


def test_a_space_without_published_necks_has_no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FusionGrid, "baselines", lambda self: {})
    assert calibrations.example(SPACE) is None


def test_a_space_of_another_version_has_no_example() -> None:
    assert calibrations.example({"space": "none_of_ours"}) is None
