"""From a head's outputs to detections."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from supernet.detection.head import boxes_at


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
    classes = outputs.shape[2] - 4
    logits = outputs[..., :classes].flatten(1)
    count = min(spec.candidates, logits.shape[1])
    best, position = logits.topk(count, 1)
    image, rank = (best.sigmoid() >= spec.least_score).nonzero(as_tuple=True)
    chosen = position[image, rank]
    location, labels = chosen // classes, chosen % classes
    boxes = boxes_at(points[location], outputs[image, location, classes:])
    scores = best[image, rank].sigmoid()
    kept = batched_nms(boxes, scores, image * classes + labels, spec.overlap)
    kept = _most(image, kept, spec.most)
    return Detections(image[kept], boxes[kept], scores[kept], labels[kept])


def _most(image: Tensor, kept: Tensor, most: int) -> Tensor:
    """Return `kept` (best score first) grouped by image, at most `most` of each."""
    kept = kept[image[kept].argsort(stable=True)]
    owner = image[kept]
    first = torch.searchsorted(owner, owner)
    return kept[torch.arange(len(kept)) - first < most]
