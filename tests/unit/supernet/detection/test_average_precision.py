"""Average precision: equal to pycocotools, and a bootstrap that agrees with re-evaluation."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from supernet.data.coco import Category, ImageRecord
from supernet.detection import average_precision
from supernet.detection.average_precision import AveragePrecision, Found
from supernet.detection.decoding import Detections

KEYS = ("boxes", "labels", "crowd")
CATEGORIES = (Category(3, "a"), Category(7, "b"), Category(90, "c"))


def scene(seed: int, images: int = 30, *, crowd: bool = False) -> tuple[list[ImageRecord], Detections]:
    """Random objects, and detections of them that are shifted, missed, doubled and mislabelled."""
    rng = np.random.default_rng(seed)
    records, found = [], []
    for index in range(images):
        count = int(rng.integers(0, 5))
        low = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(5, 60, (count, 2))], 1).astype(np.float32)
        labels = rng.integers(0, 3, count)
        flags = rng.random(count) < (0.2 if crowd else 0)
        records.append(ImageRecord(10 * index + 4, Path(f"{index}.png"), 128, 128, boxes, labels, flags))
        for box, label in zip(boxes, labels, strict=True):
            for _ in range(int(rng.integers(0, 3))):
                wrong = rng.random() < 0.2
                shift = rng.normal(0, 3, 4)
                found.append((index, box + shift, rng.random(), int((label + wrong) % 3)))
    return records, Detections(
        torch.tensor([f[0] for f in found]),
        torch.tensor(np.array([f[1] for f in found], dtype=np.float32)),
        torch.tensor([f[2] for f in found]),
        torch.tensor([f[3] for f in found]),
    )


def document(records: list[ImageRecord]) -> dict[str, object]:
    return {
        "info": {},
        "images": [{"id": r.id, "width": 128, "height": 128} for r in records],
        "categories": [{"id": c.id, "name": c.name} for c in CATEGORIES],
        "annotations": [
            {
                "id": 1 + sum(len(r.labels) for r in records[:i]) + j,
                "image_id": r.id,
                "category_id": CATEGORIES[int(r.labels[j])].id,
                "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
                "area": (b[2] - b[0]) * (b[3] - b[1]),
                "iscrowd": int(r.crowd[j]),
            }
            for i, r in enumerate(records)
            for j, b in enumerate(r.boxes.tolist())
        ],
    }


def rows(records: list[ImageRecord], detections: Detections) -> list[dict[str, object]]:
    columns = (detections.image, detections.boxes.tolist(), detections.scores, detections.labels)
    return [
        {
            "image_id": records[int(i)].id,
            "category_id": CATEGORIES[int(c)].id,
            "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
            "score": float(s),
        }
        for i, b, s, c in zip(*columns, strict=True)
    ]


def by_pycocotools(records: list[ImageRecord], detections: Detections) -> list[float]:
    labels = COCO()
    labels.dataset = document(records)
    with contextlib.redirect_stdout(io.StringIO()):
        labels.createIndex()
        evaluation = COCOeval(labels, labels.loadRes(rows(records, detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[[0, 1, 3, 4]]]


def ours(records: list[ImageRecord], detections: Detections) -> list[float | None]:
    found = AveragePrecision(records, [1.0] * len(records), CATEGORIES).score(detections)
    return [found.ap, found.ap50, found.small, found.medium]


@pytest.mark.parametrize("crowd", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_values_equal_those_of_pycocotools(seed: int, crowd: bool) -> None:
    records, detections = scene(seed, crowd=crowd)
    expected = by_pycocotools(records, detections)
    assert ours(records, detections) == pytest.approx(expected, abs=1e-9) and 0.1 < expected[0] < 0.9
    assert AveragePrecision(records, [1.0] * len(records), CATEGORIES).score(detections).large is None


def test_equal_scores_and_equal_boxes_are_matched_in_the_order_of_pycocotools() -> None:
    records, detections = scene(9)
    doubled = [
        ImageRecord(**{**vars(r), "id": 1000 - r.id, **{k: np.repeat(getattr(r, k), 2, 0) for k in KEYS}})
        for r in records
    ]
    rounded = Detections(
        detections.image, detections.boxes.round(), detections.scores.round(decimals=1), detections.labels
    )
    assert ours(doubled, rounded) == pytest.approx(by_pycocotools(doubled, rounded), abs=1e-9)


def test_of_an_image_and_class_a_hundred_detections_count() -> None:
    records, detections = scene(10, images=3)
    many = Detections(*(x.repeat_interleave(70, 0) for x in vars(detections).values()))
    spread = Detections(
        many.image, many.boxes, many.scores * torch.linspace(0.5, 1, len(many.scores)), many.labels
    )
    assert ours(records, spread) == pytest.approx(by_pycocotools(records, spread), abs=1e-9)


def test_uniform_weights_give_the_value_itself() -> None:
    records, detections = scene(2)
    metric = AveragePrecision(records, [1.0] * len(records), CATEGORIES)
    weighted = metric.weighted(Found.of(detections, np.ones(len(records))), np.ones((1, len(records))))
    assert weighted[0] == pytest.approx(metric.score(detections).ap, abs=1e-6)


def test_an_image_of_weight_two_counts_as_if_it_were_there_twice() -> None:
    records, detections = scene(3, images=8)
    metric = AveragePrecision(records, [1.0] * 8, CATEGORIES)
    weights = np.ones((1, 8))
    weights[0, 5], weights[0, 2] = 2, 0
    weighted = metric.weighted(Found.of(detections, np.ones(8)), weights)[0]
    copies = [0, 1, 3, 4, 5, 5, 6, 7]
    again = [ImageRecord(**{**vars(records[c]), "id": 100 + i}) for i, c in enumerate(copies)]
    rows = [
        (i, row) for i, c in enumerate(copies) for row in (detections.image == c).nonzero()[:, 0].tolist()
    ]
    index = torch.tensor([row for _, row in rows])
    doubled = Detections(
        torch.tensor([i for i, _ in rows]),
        detections.boxes[index],
        detections.scores[index],
        detections.labels[index],
    )
    assert weighted == pytest.approx(
        AveragePrecision(again, [1.0] * 8, CATEGORIES).score(doubled).ap, abs=1e-6
    )


def test_the_standard_error_shrinks_with_the_number_of_images() -> None:
    few, many = (
        AveragePrecision(r, [1.0] * len(r), CATEGORIES).score(d) for r, d in (scene(4, 25), scene(4, 400))
    )
    assert 0.005 < many.stderr < few.stderr < 0.2


def test_the_error_is_the_same_a_few_replicates_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    records, detections = scene(4, 25)
    metric = AveragePrecision(records, [1.0] * len(records), CATEGORIES)
    together = metric.score(detections)
    monkeypatch.setattr(average_precision, "MOST_WEIGHTS", 3 * len(detections.image))
    assert metric.score(detections) == together


def test_scaled_images_are_scored_in_their_own_pixels() -> None:
    records, detections = scene(5)
    halved = Detections(detections.image, detections.boxes / 2, detections.scores, detections.labels)
    metric = AveragePrecision(records, [0.5] * len(records), CATEGORIES)
    expected = AveragePrecision(records, [1.0] * len(records), CATEGORIES).score(detections)
    assert metric.score(halved).ap == pytest.approx(expected.ap, abs=1e-6)


def test_no_detections_score_zero() -> None:
    records, detections = scene(6)
    none = Detections(*(x[:0] for x in vars(detections).values()))
    precision = AveragePrecision(records, [1.0] * len(records), CATEGORIES).score(none)
    assert (precision.ap, precision.small, precision.large, precision.stderr) == (0, 0, None, 0)
