"""The form's defaults are the training's own."""

import dataclasses

from service.ui import defaults
from supernet.training.spec import FROZEN, TrainingSpec


def test_literals_equal_the_dataclass() -> None:
    spec = TrainingSpec(dataset="unset")
    found = defaults.training()
    assert {name: getattr(spec, name) for name in found} == dict(found)
    assert {"steps", "batch_size", "subnets", "learning_rate", "rule"} <= found.keys()
    assert found.keys() <= {field.name for field in dataclasses.fields(TrainingSpec)}


def test_what_trains_on_a_kept_backbone_is_read_too() -> None:
    assert dict(defaults.kept_backbone()) == dict(FROZEN)


def test_plugins_are_file_names() -> None:
    assert "fusion_grid" in defaults.plugins("search_space.spaces")
