"""Average precision by COCO's protocol, and its standard error by a bootstrap over images.

Equal to pycocotools and to faster-coco-eval, in numpy alone: all classes, IoU thresholds and ranges of areas
are computed at once from one matching. The bootstrap re-weighs the images of that matching (a draw of images
is a weight an image), so that many replicates cost little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from supernet.data.coco import Category, ImageRecord
from supernet.detection.decoding import Detections, rank
from supernet.detection.matching import Flags, Floats, Found, Integers, Matches, Objects, match

__all__ = ["AveragePrecision", "Found", "Precision"]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
RANGES = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])
"""All, small, medium and large objects: areas in square pixels."""
REPLICATES = 40


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
        matches = match(found, self._objects, THRESHOLDS)
        values = _average(found, matches, self._objects)  # (ranges, thresholds, classes)
        total, *sizes = (_mean(of_range) for of_range in values)
        stderr = self._stderr(found, matches, replicates) if replicates and len(found.image) else 0.0
        return Precision(total or 0.0, _mean(values[0, 0]) or 0.0, sizes[0], sizes[1], sizes[2], stderr)

    def weighted(self, found: Found, weights: Floats) -> Floats:
        """Return the AP (R,) of images weighted by each row of `weights` (R, images)."""
        ranked = found.ranked(self._identifiers)
        return self._weighted(ranked, match(ranked, self._objects, THRESHOLDS), weights)

    @cached_property
    def _identifiers(self) -> Integers:
        return np.array([record.id for record in self.records], dtype=np.int64)

    @cached_property
    def _objects(self) -> Objects:
        return Objects(self.records, len(self.categories), RANGES)

    def _stderr(self, found: Found, matches: Matches, replicates: int) -> float:
        rng = np.random.default_rng(len(self.records))
        count = len(self.records)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)
        return float(self._weighted(found, matches, weights).std(ddof=1))

    def _weighted(self, found: Found, matches: Matches, weights: Floats) -> Floats:
        counts = ~self._objects.ignored[0]
        there = np.zeros((len(self.records), len(self.categories)))
        np.add.at(there, (self._objects.image[counts], self._objects.labels[counts]), 1.0)
        values = _weighted_average(found, matches, weights, weights @ there)
        return np.asarray(np.nanmean(values, axis=(0, 2)))


def _mean(values: Floats) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def _average(found: Found, matches: Matches, objects: Objects) -> Floats:
    """Return the AP (ranges, thresholds, classes), NaN where no object counts."""
    counted = objects.counted()  # (ranges, classes)
    ranges, thresholds, _ = matches.hits.shape
    seen = _running(~matches.ignored)
    kind, threshold, place = matches.hits.nonzero()
    label = found.labels[place]
    segment = (kind * thresholds + threshold) * objects.classes + label
    begins = np.searchsorted(found.labels, label)
    precision = (rank(segment) + 1) / (seen[kind, threshold, place + 1] - seen[kind, threshold, begins])
    points = np.searchsorted(RECALLS, (rank(segment) + 1) / counted[kind, label], side="right")
    areas = _areas_under(precision[None], points[None], segment, ranges * thresholds * objects.classes)
    values = areas.reshape(ranges, thresholds, objects.classes)
    return np.where(counted[:, None] > 0, values, np.nan)


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
