"""From a head's outputs to detections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supernet.detection.head import boxes_at

Integers = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DecodingSpec:
    """What counts as a detection.

    Attributes:
        least_score: scores below are dropped.
        candidates: detections an image before overlapping ones are removed.
        overlap: IoU from which the lower score of one class is removed.
        most: detections an image, at most.
    """

    least_score: float = 0.03
    candidates: int = 300
    overlap: float = 0.6
    most: int = 100


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in a batch of images, best first within each image.

    Attributes:
        image: (D,) int64, position in the batch, ascending.
        boxes: (D, 4), left, top, right, bottom in pixels.
        scores: (D,) in 0..1.
        labels: (D,) int64.
    """

    image: Tensor
    boxes: Tensor
    scores: Tensor
    labels: Tensor


@torch.no_grad()
def decode(outputs: Tensor, points: Tensor, spec: DecodingSpec) -> Detections:
    """Return the detections of a batch.

    Args:
        outputs: `(B, N, classes + 4)`, see `head.flatten`.
        points: `(N, 4)`, see `head.locations`.
        spec: what counts.
    """
    count, classes = outputs.shape[1], outputs.shape[2] - 4
    place, scores = _candidates(outputs[..., :classes], spec)
    entry, label = place // classes, place % classes
    logarithms = outputs.reshape(-1, classes + 4)[entry.to(outputs.device), classes:].cpu()
    boxes = boxes_at(points.cpu()[entry % count], logarithms)
    image = entry // count
    best = _suppressed(image, boxes, scores, label, spec)
    return Detections(*(x[best].to(outputs.device) for x in (image, boxes, scores, label)))


def joined(parts: Sequence[Detections], images: Sequence[int]) -> Detections:
    """Return the detections of several batches as those of one; `images` counts each batch's images."""
    starts = [0, *accumulate(images)]
    image = torch.cat([part.image + start for part, start in zip(parts, starts, strict=False)])
    rest = (torch.cat([getattr(part, name) for part in parts]) for name in ("boxes", "scores", "labels"))
    return Detections(image, *rest)


def _candidates(logits: Tensor, spec: DecodingSpec) -> tuple[Tensor, Tensor]:
    """Return the positions `(n,)` and the scores of what is scored well enough, best first in each image.

    Args:
        logits: `(B, N, classes)`; positions count through them.
        spec: what counts.
    """
    flat = logits.float().reshape(-1).cpu().numpy()
    bound = math.log(spec.least_score / (1 - spec.least_score)) if 0 < spec.least_score < 1 else -math.inf
    place = np.flatnonzero(flat >= bound - 1e-3)
    image = place // (logits.shape[1] * logits.shape[2])
    place = place[_by_image(image, flat[place], spec.candidates)]
    scores = torch.from_numpy(flat[place]).sigmoid()
    kept = scores >= spec.least_score
    return torch.from_numpy(place)[kept], scores[kept]


def _by_image(image: Integers, value: Singles, most: int) -> Integers:
    """Return the order by image, the largest value first, at most `most` of each image."""
    if not len(image):
        return image
    bits = (value - value.min()).view(np.int32).astype(np.int64)  # of floats >= 0: ordered as they are
    order = np.argsort(image << 32 | (2**31 - 1 - bits), kind="stable")
    return order[rank(image[order]) < most]


def rank(owner: Integers) -> Integers:
    """Return the position of each entry among those of the same owner; owners are sorted."""
    return np.arange(len(owner)) - np.searchsorted(owner, owner)


def _suppressed(image: Tensor, boxes: Tensor, scores: Tensor, label: Tensor, spec: DecodingSpec) -> Tensor:
    """Return the positions (n,) that torchvision's suppression keeps, image by image, best first."""
    from torchvision.ops import batched_nms  # wanted here only, and slow to import

    kept, start = [image.new_zeros(0)], 0
    for size in torch.bincount(image).tolist():
        mine = slice(start, start + size)
        kept.append(start + batched_nms(boxes[mine], scores[mine], label[mine], spec.overlap)[: spec.most])
        start += size
    return torch.cat(kept)
