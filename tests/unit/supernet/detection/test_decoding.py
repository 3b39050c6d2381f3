"""Decoding: equal to torchvision's suppression, whatever the batches."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from supernet.detection.decoding import DecodingSpec, Detections, decode, joined
from supernet.detection.head import boxes_at, locations

POINTS = locations({3: (8, 8), 4: (4, 4)})
NAMES = ("image", "boxes", "scores", "labels")


def outputs(seed: int, *, classes: int, images: int = 6, level: float = -1.0) -> Tensor:
    """Random logits, and boxes of 10 to 80 px."""
    generator = torch.Generator().manual_seed(seed)
    logits = level + 2 * torch.randn(images, len(POINTS), classes, generator=generator)
    distances = torch.rand(images, len(POINTS), 4, generator=generator) * 1.5 - 0.5
    return torch.cat([logits, distances], 2)


def by_torchvision(found: Tensor, spec: DecodingSpec) -> list[Tensor]:
    """The same, image after image, written plainly."""
    parts = []
    for index, image in enumerate(found):
        classes = image.shape[1] - 4
        best, position = image[:, :classes].flatten().topk(min(spec.candidates, len(image) * classes))
        position = position[best.sigmoid() >= spec.least_score]
        scores = best[best.sigmoid() >= spec.least_score].sigmoid()
        boxes = boxes_at(POINTS[position // classes], image[position // classes, classes:])
        kept = batched_nms(boxes.double(), scores.double(), position % classes, spec.overlap)[: spec.most]
        parts.append((torch.full_like(kept, index), boxes[kept], scores[kept], (position % classes)[kept]))
    return [torch.cat(column) for column in zip(*parts, strict=True)]


@pytest.mark.parametrize("classes", [1, 3, 20])
@pytest.mark.parametrize("spec", [DecodingSpec(), DecodingSpec(0.2, 40, 0.3, 7), DecodingSpec(0.0, 1000)])
def test_detections_equal_those_of_torchvision(classes: int, spec: DecodingSpec) -> None:
    made = outputs(classes, classes=classes)
    found = decode(made, POINTS, spec)
    expected = by_torchvision(made, spec)
    assert len(found.image) > 10
    for name, column in zip(NAMES, expected, strict=True):
        torch.testing.assert_close(getattr(found, name), column)


def test_batches_are_joined_image_after_image() -> None:
    made, spec = outputs(4, classes=3, images=7), DecodingSpec()
    parts = [decode(part, POINTS, spec) for part in made.split([3, 1, 3])]
    whole, found = decode(made, POINTS, spec), joined(parts, [3, 1, 3])
    for name in NAMES:
        torch.testing.assert_close(getattr(found, name), getattr(whole, name))


@pytest.mark.parametrize("value", [-9.0, float("nan")])
def test_nothing_is_found_where_no_score_is_high_enough(value: float) -> None:
    made = outputs(5, classes=2)
    made[..., :2] = value
    found = decode(made, POINTS, DecodingSpec())
    assert isinstance(found, Detections) and len(found.image) == len(found.boxes) == len(found.labels) == 0
