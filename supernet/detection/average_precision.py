"""Average precision by COCO's protocol, and its standard error by a bootstrap over images.

The values come from faster-coco-eval. The bootstrap re-weighs the images of one matching of all classes and
IoU thresholds (a draw of images is a weight an image), so that many replicates cost little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from supernet.data.coco import Category, ImageRecord
from supernet.detection.decoding import Detections
from supernet.detection.matching import Flags, Floats, Found, Integers, Matches, Objects, match

__all__ = ["AveragePrecision", "Found", "Precision"]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
ANY_AREA = np.array([[0, 1e10]])
LARGER_THAN = (32**2, 96**2)
"""Areas in square pixels at which an object is medium, and large."""
REPLICATES = 40
MOST_WEIGHTS = 1 << 22
"""Weights of detections at once, 32 MiB an array: of many images a few replicates at a time."""


@dataclass(frozen=True)
class Precision:
    """COCO's average precisions, 0..1, larger is better; None where there is no such object.

    Attributes:
        ap: mean over IoU 0.50 to 0.95.
        ap50: at IoU 0.50.
        small, medium, large: objects under 32**2, 96**2 and above, in square pixels.
        stderr: of `ap`, by bootstrap over images.
    """

    ap: float
    ap50: float
    small: float | None
    medium: float | None
    large: float | None
    stderr: float


class AveragePrecision:
    """Scores detections against the labels of fixed images."""

    def __init__(
        self, records: Sequence[ImageRecord], scales: Sequence[float], categories: Sequence[Category]
    ) -> None:
        """Take the images, the factors by which they were scaled before detection, and the classes."""
        self.records, self.scales, self.categories = records, np.asarray(scales), categories

    def score(self, detections: Detections, *, replicates: int = REPLICATES) -> Precision:
        """Return the average precisions; `detections.image` counts through the records."""
        found = Found.of(detections, self.scales).ranked(self._identifiers)
        if not len(found.image):
            small, medium, large = (0.0 if there else None for there in self._sizes)
            return Precision(0.0, 0.0, small, medium, large, 0.0)
        evaluation = COCOeval_faster(
            self._labels, self._labels.loadRes(self._rows(found)), "bbox", print_function=_quiet
        )
        evaluation.run()
        ap, ap50, _, *sizes = (max(float(value), 0.0) for value in evaluation.stats[:6])
        small, medium, large = (
            value if there else None for value, there in zip(sizes, self._sizes, strict=True)
        )
        return Precision(ap, ap50, small, medium, large, self._stderr(found, replicates))

    def weighted(self, found: Found, weights: Floats) -> Floats:
        """Return the AP (R,) of images weighted by each row of `weights` (R, images)."""
        ranked = found.ranked(self._identifiers)
        return self._weighted(ranked, match(ranked, self._objects, THRESHOLDS), weights)

    @cached_property
    def _identifiers(self) -> Integers:
        return np.array([record.id for record in self.records], dtype=np.int64)

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self.records, len(self.categories), ANY_AREA)

    @cached_property
    def _sizes(self) -> tuple[bool, ...]:
        """Whether there are small, medium and large objects."""
        kinds = np.digitize(self._objects.areas[~self._objects.crowd], LARGER_THAN)
        return tuple(bool((kinds == kind).any()) for kind in range(3))

    @cached_property
    def _labels(self) -> COCO:
        labels = COCO(print_function=_quiet)
        labels.dataset = _document(self.records, self.categories)
        labels.createIndex()
        return labels

    def _rows(self, found: Found) -> Floats:
        """Return (D, 7): image id, left, top, width, height, score, category id."""
        kinds = np.array([category.id for category in self.categories], dtype=np.float64)
        extent = found.boxes[:, 2:] - found.boxes[:, :2]
        place = [self._identifiers[found.image], found.boxes[:, :2], extent]
        return np.column_stack([*place, found.scores, kinds[found.labels]])

    def _stderr(self, found: Found, replicates: int) -> float:
        if not replicates:
            return 0.0
        rng = np.random.default_rng(len(self.records))
        count = len(self.records)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)
        matches = match(found, self._objects, THRESHOLDS)
        together = max(1, MOST_WEIGHTS // len(found.image))
        parts = [weights[start : start + together] for start in range(0, replicates, together)]
        return float(np.concatenate([self._weighted(found, matches, part) for part in parts]).std(ddof=1))

    def _weighted(self, found: Found, matches: Matches, weights: Floats) -> Floats:
        counts = ~self._objects.ignored[0]
        there = np.zeros((len(self.records), len(self.categories)))
        np.add.at(there, (self._objects.image[counts], self._objects.labels[counts]), 1.0)
        values = _weighted_average(found, matches, weights, weights @ there)
        return np.asarray(np.nanmean(values, axis=(0, 2)))


def _weighted_average(found: Found, matches: Matches, weights: Floats, objects: Floats) -> Floats:
    """Return the AP (thresholds, R, classes) over all areas, NaN where a replicate holds no object.

    Args:
        found: ranked.
        matches: of the detections; the first range is used.
        weights: of the images, (R, images).
        objects: (R, classes), weighted.
    """
    weight = weights[:, found.image]  # (R, D)
    seen = _running(weight)
    values = np.empty((len(THRESHOLDS), *objects.shape))
    for index, (hits, ignored) in enumerate(zip(matches.hits[0], matches.ignored[0], strict=True)):
        shown = _running(weight * ~ignored) if ignored.any() else seen
        values[index] = _one_threshold(found.labels, hits.nonzero()[0], weight, shown, objects)
    return np.where(objects > 0, values, np.nan)


def _one_threshold(
    labels: Integers, place: Integers, weight: Floats, seen: Floats, objects: Floats
) -> Floats:
    """Return the AP (R, classes) for hits at `place`; `seen` is the running weight (R, D + 1)."""
    label = labels[place]
    true = _running(weight[:, place])
    true = true[:, 1:] - true[:, np.searchsorted(label, label)]
    shown = seen[:, place + 1] - seen[:, np.searchsorted(labels, label)]
    recall = true / np.maximum(objects[:, label], 1e-12)
    points = np.floor((recall + 1e-12) * (len(RECALLS) - 1)).astype(np.int64) + 1
    return _areas_under(true / np.maximum(shown, 1e-12), points, label, objects.shape[1])


def _areas_under(precision: Floats, points: Integers, segment: Integers, segments: int) -> Floats:
    """Return the mean precision (R, segments) at the 101 recalls, 0 where a segment has no hit.

    Only at hits does recall rise, and only there can precision be the best of what follows.

    Args:
        precision: (R, P) at each hit.
        points: (R, P), how many of the recalls are reached there.
        segment: (P,) ascending; each is a curve of its own.
        segments: how many there are.
    """
    values = np.zeros((len(precision), segments))
    if not len(segment):
        return values
    lift = 2.0 * (segment[-1] - segment)  # keeps the running maximum within its segment
    best = np.maximum.accumulate((precision + lift)[:, ::-1], axis=1)[:, ::-1] - lift
    first = np.flatnonzero(np.append(True, segment[1:] != segment[:-1]))
    gained = np.diff(points, axis=1, prepend=0)
    gained[:, first] = points[:, first]
    values[:, segment[first]] = np.add.reduceat(best * gained, first, axis=1) / len(RECALLS)
    return values


def _running(array: Floats | Flags) -> Floats:
    """Return the sums of the first 0, 1, ... entries of the last axis."""
    return np.concatenate([np.zeros((*array.shape[:-1], 1)), np.cumsum(array, axis=-1)], axis=-1)


def _document(records: Sequence[ImageRecord], categories: Sequence[Category]) -> dict[str, object]:
    annotations: list[dict[str, object]] = []
    for record in records:
        for box, label, crowd in zip(record.boxes.tolist(), record.labels, record.crowd, strict=True):
            extent = [box[2] - box[0], box[3] - box[1]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": record.id,
                    "category_id": categories[int(label)].id,
                    "bbox": [*box[:2], *extent],
                    "area": extent[0] * extent[1],
                    "iscrowd": int(crowd),
                }
            )
    images = [{"id": r.id, "width": r.width, "height": r.height, "file_name": r.path.name} for r in records]
    kinds = [{"id": c.id, "name": c.name} for c in categories]
    return {"info": {}, "images": images, "annotations": annotations, "categories": kinds}


def _quiet(*_: object) -> None:
    """Swallow what the evaluation would print."""
