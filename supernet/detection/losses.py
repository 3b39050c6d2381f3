"""Losses of a detector: quality focal loss and GIoU against labels, both against a teacher, and its features.

Quality focal loss: Li et al., Generalized Focal Loss (arXiv:2006.04388), eq. 3. GIoU: arXiv:1902.09630, by
torchvision. Features: Zagoruyko and Komodakis, attention transfer (arXiv:1612.03928), eq. 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.detection.assignment import Assignment
from supernet.detection.head import boxes_at


@dataclass(frozen=True)
class LossSpec:
    """How the terms are weighed.

    Attributes:
        least_quality: the class target of a location that learns a box is its IoU, but at least this.
        focus: exponent of the class term; 2 in the paper, but 1 learns classes sooner.
        box_weight: of the box term beside the class term.
        teacher_weight: of the terms against the teacher beside those against the labels, 0 to 1.
        feature_weight: of the term against the teacher's neck features, added; 0 leaves it out.
    """

    least_quality: float = 0.5
    focus: float = 1.0
    box_weight: float = 1.0
    teacher_weight: float = 0.5
    feature_weight: float = 0.0


def quality_focal(logits: Tensor, target: Tensor, focus: float) -> Tensor:
    """Return `|target - p|**focus * BCE(p, target)` summed, p the sigmoid of the logits."""
    weight = (target - logits.sigmoid()).abs().pow(focus)
    return (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()


def label_loss(outputs: Tensor, assignment: Assignment, spec: LossSpec) -> Tensor:
    """Return the loss against the labels, a scalar, per location that learns a box.

    Args:
        outputs: `(B, N, classes + 4)`, see `head.flatten`.
        assignment: of the same images.
        spec: how the terms are weighed.
    """
    where = assignment.image, assignment.location
    boxes = _boxes(outputs, assignment)
    box_term = _giou_loss(boxes, assignment.boxes[where])
    logits = outputs[..., : assignment.classes]
    target = torch.zeros_like(logits)
    quality = iou(boxes.detach(), assignment.boxes[where]).clamp(min=spec.least_quality)
    target[(*where, assignment.labels[where])] = quality.to(target.dtype)
    count = max(len(assignment.image), 1)
    return (quality_focal(logits, target, spec.focus) + spec.box_weight * box_term.sum()) / count


def teacher_loss(outputs: Tensor, teacher: Tensor, assignment: Assignment, spec: LossSpec) -> Tensor:
    """Return the loss against a teacher's class scores and, where a box is learned, its boxes."""
    where = assignment.image, assignment.location
    classes = assignment.classes
    soft = teacher[..., :classes].detach().sigmoid()
    expected = _boxes(teacher.detach(), assignment)
    box_term = _giou_loss(_boxes(outputs, assignment), expected).sum()
    count = max(len(where[0]), 1)
    return (quality_focal(outputs[..., :classes], soft, spec.focus) + spec.box_weight * box_term) / count


def feature_loss(features: Mapping[int, Tensor], teacher: Mapping[int, Tensor]) -> Tensor:
    """Return how far the neck looks elsewhere than the teacher, a mean over images and levels, 0 to 4.

    Where a neck looks is the square of its features, `(B, C_l, H_l, W_l)`, averaged over the channels: a map
    that necks of different widths have in common. Maps are compared at unit length.
    """
    gaps = [
        (_attention(x) - _attention(teacher[level].detach())).square().sum(1) for level, x in features.items()
    ]
    return torch.stack(gaps).mean()


def _attention(features: Tensor) -> Tensor:
    """Return `(B, H * W)` of unit length."""
    return F.normalize(features.float().square().mean(1).flatten(1), dim=1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU of each box with the other of the same position, `(P,)`."""
    low = torch.maximum(boxes[:, :2], others[:, :2])
    high = torch.minimum(boxes[:, 2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (others[:, 2:] - others[:, :2]).prod(1)
    return shared / (areas - shared).clamp(min=1e-6)


def _giou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """Return one minus the generalised IoU of each box with the other of the same position, `(P,)`."""
    from torchvision.ops import generalized_box_iou_loss  # takes seconds; a neck's export does without

    loss: Tensor = generalized_box_iou_loss(boxes, others, reduction="none")
    return loss


def _boxes(outputs: Tensor, assignment: Assignment) -> Tensor:
    where = assignment.image, assignment.location
    points = assignment.points[assignment.location]
    return boxes_at(points, outputs[..., assignment.classes :][where].float())
