"""The schedule, and the spec that it comes from."""

import pytest
import torch
from torch import nn

from supernet.backbone import BackboneSpec
from supernet.data.augmentation import Augmentation
from supernet.detection.assignment import AssignmentSpec
from supernet.tasks.detection import DetectionSpec
from supernet.training.errors import InvalidTraining
from supernet.training.schedule import build_optimizer, learning_rate
from supernet.training.spec import TrainingSpec, spec_from_record


def test_the_rate_rises_linearly_and_falls_by_a_cosine() -> None:
    spec = TrainingSpec("d", steps=100, warmup=0.1, learning_rate=1.0, final_rate=0.2)
    rates = [learning_rate(spec, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == pytest.approx(1.0) and rates[55] == pytest.approx(0.6) and 0.2 < rates[99] < 0.21
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_only_tensors_with_axes_decay_and_frozen_ones_are_left_out() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Linear(4, 4))
    module[2].requires_grad_(False)
    groups = build_optimizer(module, TrainingSpec("d", weight_decay=0.5)).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.5), (3, 0.0)]
    assert all(isinstance(p, torch.Tensor) for g in groups for p in g["params"])


def test_a_spec_round_trips_through_json() -> None:
    spec = TrainingSpec(
        "some/folder",
        space={"space": "fusion_grid", "widths": [16, 32]},
        backbone=BackboneSpec("resnet18", "w.pth", frozen=True),
        levels=(2, 3),
        rule="sorted",
        rule_options={"draws": 2},
        augmentation=Augmentation(brightness=0, flip=True),
        image_limit=320,
        task=DetectionSpec(AssignmentSpec(limits={3: 40.0})),
    )
    assert TrainingSpec.from_json(spec.to_json()) == spec
    assert TrainingSpec.from_json(TrainingSpec.demo("d").to_json()) == TrainingSpec.demo("d")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"dataset": "d", "stepz": 3}, r"training has no option \['stepz'\]; it takes"),
        ({"dataset": "d", "backbone": {"nam": "x"}}, r"training.backbone has no option \['nam'\]"),
        ({"dataset": "d", "batch_size": 1}, "batch_size is 1; batch norm needs two images or more"),
        ({"dataset": "d", "steps": 0}, "steps is 0"),
        ({"dataset": "d", "precision": "float8"}, "precision is 'float8', not one of"),
        ({"dataset": "d", "schema_version": 99}, "schema 99 is newer than 1; upgrade neckline"),
        ({}, "dataset"),
    ],
)
def test_specs_that_cannot_train_say_why(record: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTraining, match=message):
        spec_from_record(record)
