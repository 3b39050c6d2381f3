"""Average precision over COCO's protocol, and its standard error by a bootstrap over images.

The value comes from faster-coco-eval. The bootstrap re-weighs the images of one matching (a draw of images
is a weight an image), so that many replicates cost little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from faster_coco_eval import COCO, COCOeval_faster

from supernet.data.coco import Category, ImageRecord
from supernet.detection.decoding import Detections

Floats = npt.NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
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
        found = Found.of(detections, self.scales)
        stderr = self._stderr(found, replicates) if replicates and len(found.image) else 0.0
        if not len(found.image):
            return Precision(0.0, 0.0, *self._sizes, stderr)
        evaluation = COCOeval_faster(
            self._labels, self._labels.loadRes(self._rows(found)), "bbox", print_function=_quiet
        )
        evaluation.run()
        ap, ap50, _, small, medium, large = (max(float(v), 0.0) for v in evaluation.stats[:6])
        sizes = [
            v if there is not None else None
            for v, there in zip((small, medium, large), self._sizes, strict=True)
        ]
        return Precision(ap, ap50, sizes[0], sizes[1], sizes[2], stderr)

    @cached_property
    def _labels(self) -> COCO:
        labels = COCO(print_function=_quiet)
        labels.dataset = _document(self.records, self.categories)
        labels.createIndex()
        return labels

    @cached_property
    def _sizes(self) -> tuple[float | None, float | None, float | None]:
        """0 for each of small, medium, large that has an object, else None."""
        areas = np.concatenate([_areas(r.boxes)[~r.crowd] for r in self.records])
        kinds = np.digitize(areas, [32**2, 96**2])
        small, medium, large = (0.0 if (kinds == kind).any() else None for kind in range(3))
        return small, medium, large

    def _rows(self, found: "Found") -> Floats:
        """Return (D, 7): image id, left, top, width, height, score, category id."""
        ids = np.array([r.id for r in self.records], dtype=np.float64)
        kinds = np.array([c.id for c in self.categories], dtype=np.float64)
        extent = found.boxes[:, 2:] - found.boxes[:, :2]
        columns = [ids[found.image], found.boxes[:, :2], extent, found.scores, kinds[found.labels]]
        return np.column_stack(columns)

    def _stderr(self, found: "Found", replicates: int) -> float:
        rng = np.random.default_rng(len(self.records))
        count = len(self.records)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)
        return float(self.weighted(found, weights).std(ddof=1))

    def weighted(self, found: "Found", weights: Floats) -> Floats:
        """Return the AP (R,) of images weighted by each row of `weights` (R, images).

        Crowd regions are not looked at.
        """
        hits = match(found, self.records)
        values = [
            _class_ap(found, hits, label, self.records, weights)
            for label in range(len(self.categories))
            if any((r.labels[~r.crowd] == label).any() for r in self.records)
        ]
        return np.nanmean(np.stack(values), axis=(0, 1))


@dataclass(frozen=True, eq=False)
class Found:
    """Detections in the pixels of the original images, as arrays; see `Detections`."""

    image: npt.NDArray[np.int64]
    boxes: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]

    @classmethod
    def of(cls, detections: Detections, scales: Floats) -> "Found":
        """Return the detections in the pixels of the original images."""
        image = detections.image.cpu().numpy()
        boxes = detections.boxes.cpu().numpy().astype(np.float64) / scales[image][:, None]
        return cls(
            image, boxes, detections.scores.cpu().numpy().astype(np.float64), detections.labels.cpu().numpy()
        )


def match(found: Found, records: Sequence[ImageRecord]) -> npt.NDArray[np.bool_]:
    """Return (thresholds, D): whether each detection is the best free match of an object of its class.

    Greedy by score within an image, as COCO does; all images advance together, one rank at a time.
    """
    hits = np.zeros((len(THRESHOLDS), len(found.image)), dtype=np.bool_)
    most = max((int((~r.crowd).sum()) for r in records), default=0)
    if not most or not len(found.image):
        return hits
    boxes, labels = _padded(records, most)
    order = np.lexsort((-found.scores, found.image))
    first = np.searchsorted(found.image[order], found.image[order])
    rank = np.arange(len(order)) - first
    free = np.ones((len(THRESHOLDS), len(records), most), dtype=np.bool_)
    for level in range(int(rank.max()) + 1):
        chosen = order[rank == level]
        image = found.image[chosen]
        overlap = _iou(found.boxes[chosen], boxes[image])  # (d, most)
        overlap[labels[image] != found.labels[chosen][:, None]] = -1
        open_ = np.where(free[:, image], overlap, -1)  # (T, d, most)
        best = open_.argmax(2)
        hit = np.take_along_axis(open_, best[..., None], 2)[..., 0] >= THRESHOLDS[:, None]
        hits[:, chosen] = hit
        level_t, level_d = hit.nonzero()
        free[level_t, image[level_d], best[level_t, level_d]] = False
    return hits


def _class_ap(
    found: Found, hits: npt.NDArray[np.bool_], label: int, records: Sequence[ImageRecord], weights: Floats
) -> Floats:
    """Return the AP of one class, (thresholds, R); NaN where a replicate holds no object of it."""
    objects = weights @ np.array([(r.labels[~r.crowd] == label).sum() for r in records], dtype=np.float64)
    mine = np.flatnonzero(found.labels == label)
    mine = mine[np.argsort(-found.scores[mine], kind="stable")]
    weight = weights[:, found.image[mine]]  # (R, d)
    seen = np.maximum(np.cumsum(weight, 1), 1e-12)
    values = np.empty((len(THRESHOLDS), len(weights)))
    for index in range(len(THRESHOLDS)):
        true = np.cumsum(weight * hits[index, mine], 1)
        recall, precision = true / np.maximum(objects, 1e-12)[:, None], true / seen
        values[index] = _interpolated(recall, precision)
    values[:, objects == 0] = np.nan
    return values


def _interpolated(recall: Floats, precision: Floats) -> Floats:
    """Return the mean precision (R,) at 101 recalls, each the best at that recall or a higher one."""
    if not recall.shape[1]:
        return np.zeros(len(recall))
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((len(envelope), 1))], 1)
    found = [np.searchsorted(row, RECALLS - 1e-12) for row in recall]
    return np.take_along_axis(padded, np.stack(found), 1).mean(1)


def _padded(records: Sequence[ImageRecord], most: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    boxes = np.zeros((len(records), most, 4))
    labels = np.full((len(records), most), -1, dtype=np.int64)
    for index, record in enumerate(records):
        kept = ~record.crowd
        boxes[index, : kept.sum()], labels[index, : kept.sum()] = record.boxes[kept], record.labels[kept]
    return boxes, labels


def _iou(boxes: Floats, others: Floats) -> Floats:
    """Return the IoU of boxes (d, 4) with others (d, m, 4), (d, m)."""
    low = np.maximum(boxes[:, None, :2], others[..., :2])
    high = np.minimum(boxes[:, None, 2:], others[..., 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    union = _areas(boxes)[:, None] + _areas(others) - shared
    return shared / np.maximum(union, 1e-12)


def _areas(boxes: npt.NDArray[np.floating]) -> Floats:
    return (boxes[..., 2:] - boxes[..., :2]).astype(np.float64).prod(-1)


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
