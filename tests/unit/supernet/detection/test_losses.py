"""The losses, against hand-computed values and gradients' signs."""

import math

import pytest
import torch
from torchvision.ops import box_iou

from supernet.data.loader import Targets
from supernet.detection.assignment import Assignment, AssignmentSpec, assign
from supernet.detection.head import locations
from supernet.detection.losses import (
    LossSpec,
    feature_loss,
    iou,
    label_loss,
    quality_focal,
    teacher_loss,
)

POINTS = locations({3: (4, 4)})


def assignment() -> Assignment:
    """One box of class 1, learned by the location at (12, 12) alone: index 5."""
    found = assign(
        [Targets(torch.tensor([[8.0, 8.0, 16.0, 16.0]]), torch.tensor([1]))], POINTS, 2, AssignmentSpec()
    )
    assert found.location.tolist() == [5]
    return found


def outputs(logit: float, distance: float) -> torch.Tensor:
    """(1, 16, 2 + 4): the right class at `logit`, all else at -20; each side `distance` strides off."""
    x = torch.full((1, 16, 6), -20.0)
    x[0, 5, 1] = logit
    x[0, 5, 2:] = math.log(distance)
    return x


def test_quality_focal_by_hand() -> None:
    logits, target = torch.tensor([0.0, 0.0]), torch.tensor([0.75, 0.0])
    expected = 0.25**2 * math.log(2) + 0.5**2 * math.log(2)
    assert quality_focal(logits, target, 2.0).item() == pytest.approx(expected)


def test_a_perfect_answer_costs_nothing_and_each_error_costs() -> None:
    right = label_loss(outputs(20.0, 0.5), assignment(), LossSpec()).item()
    assert right == pytest.approx(0, abs=1e-6)
    assert label_loss(outputs(0.0, 0.5), assignment(), LossSpec()).item() > 0.1
    assert label_loss(outputs(20.0, 0.7), assignment(), LossSpec(box_weight=2.0)).item() > 0.1
    wrong = outputs(-20.0, 0.5)
    wrong[0, 5, 0] = 20
    assert label_loss(wrong, assignment(), LossSpec()).item() > 10


def test_the_class_target_is_the_iou_but_at_least_its_floor() -> None:
    # distance 1 stride: a box of 16 x 16 around one of 8 x 8, IoU 1/4
    at_floor = label_loss(outputs(0.0, 1.0), assignment(), LossSpec(box_weight=0)).item()
    assert at_floor == pytest.approx(0, abs=1e-6)  # score 0.5 meets the floor of 0.5
    lower = label_loss(
        outputs(0.0, 1.0), assignment(), LossSpec(box_weight=0, least_quality=0.0, focus=2.0)
    ).item()
    assert lower == pytest.approx(0.25**2 * math.log(2), rel=1e-4)


def test_giou_of_a_doubled_box() -> None:
    boxes = label_loss(outputs(20.0, 1.0), assignment(), LossSpec(least_quality=1.0)).item()
    assert boxes == pytest.approx(1 - 0.25, abs=1e-4)


def test_an_image_without_objects_still_teaches_the_background() -> None:
    empty = assign(
        [Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))], POINTS, 2, AssignmentSpec()
    )
    x = torch.zeros(1, 16, 6, requires_grad=True)
    label_loss(x, empty, LossSpec()).backward()
    assert x.grad is not None and (x.grad[..., :2] > 0).all() and not x.grad[..., 2:].any()


def test_a_student_that_equals_its_teacher_has_no_gradient() -> None:
    teacher = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(0))
    student = teacher.clone().requires_grad_()
    teacher_loss(student, teacher, assignment(), LossSpec()).backward()
    assert student.grad is not None and student.grad.abs().max() < 1e-5
    student = (teacher + 1).requires_grad_()
    teacher_loss(student, teacher, assignment(), LossSpec()).backward()
    assert student.grad is not None and (student.grad[..., :2] > 0).all()


def test_paired_iou_agrees_with_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(50, 2, 2, generator=generator) * 10
    boxes = torch.cat([low, low + torch.rand(50, 2, 2, generator=generator) * 10], 2)
    expected = box_iou(boxes[:, 0], boxes[:, 1]).diagonal()
    torch.testing.assert_close(iou(boxes[:, 0], boxes[:, 1]), expected)


def test_features_are_held_against_a_teacher_of_any_width() -> None:
    student = torch.zeros(1, 2, 1, 2)
    student[0, :, 0, 0] = 3.0
    same, other = torch.zeros(1, 5, 1, 2), torch.zeros(1, 5, 1, 2)
    same[0, 1, 0, 0], other[0, 4, 0, 1] = 7.0, 0.5
    assert feature_loss({3: student}, {3: same}).item() == pytest.approx(0)
    assert feature_loss({3: student}, {3: other}).item() == pytest.approx(
        2
    )  # two unit vectors at a right angle
    both = feature_loss({3: student, 4: student}, {3: same, 4: other})
    assert both.item() == pytest.approx(1)
    uneven = torch.tensor([3.0, 1.0]).expand(1, 2, 1, 2).clone().requires_grad_()
    feature_loss({3: uneven}, {3: torch.ones(1, 1, 1, 2)}).backward()
    assert uneven.grad is not None and (uneven.grad[0, :, 0].sign() == torch.tensor([1.0, -1.0])).all()
