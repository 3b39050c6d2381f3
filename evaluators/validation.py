"""Validation images behind a fixed backbone: features and targets computed once, scored again and again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.score import Score, Source
from supernet.data.coco import CocoDetection
from supernet.data.loader import Letterbox
from supernet.detection.assignment import Assignment
from supernet.detection.average_precision import AveragePrecision, Precision
from supernet.detection.decoding import Detections, joined
from supernet.detector import Detector
from supernet.training.features import feature_bytes

BATCH = 50
FEATURE_BYTES = 2 << 30
"""2 GiB: of a dataset whose features take more, the first images that fit are scored."""
Features = Mapping[int, Tensor]


@dataclass(frozen=True)
class Outcome:
    """What an architecture reaches on the validation images.

    Attributes:
        precision: average precisions, larger is better.
        loss: mean loss against the labels per location that learns a box, smaller is better.
    """

    precision: Precision
    loss: float

    def scores(self, source: Source) -> tuple[Score, ...]:
        """Return the numbers as scores; sizes without an object are left out."""
        p = self.precision
        named = {"ap50": p.ap50, "ap_small": p.small, "ap_medium": p.medium, "ap_large": p.large}
        others = [Score(name, value, "1", source) for name, value in named.items() if value is not None]
        return (Score("ap", p.ap, "1", source, p.stderr), *others, Score("val_loss", self.loss, "1", source))


class Validation:
    """Cached features of the validation images with what is to be found in them.

    Attributes:
        images: how many are scored.
        features: by batch, as the backbone gives them.
        metric: average precision on these images.
    """

    def __init__(self, detector: Detector, dataset: CocoDetection, images: int | None = None) -> None:
        """Run the backbone over the first `images`, by default all whose features fit `FEATURE_BYTES`."""
        fitting = FEATURE_BYTES // (2 * feature_bytes(detector.backbone, detector.image_size, 1))
        source = Letterbox(dataset, detector.image_size, images=max(1, fitting) if images is None else images)
        self.images = len(source)
        self._task = detector.task
        self._levels = detector.spec.levels
        batches = list(source.batches(BATCH))
        self.features: list[Features] = [backbone_features(detector, batch.images) for batch in batches]
        self._targets = [batch.targets for batch in batches]
        self._assignments: dict[tuple[int, ...], list[Assignment]] = {}
        self.metric = AveragePrecision(source.records, source.scales, dataset.categories)

    @torch.no_grad()
    def outcome(
        self, run: Callable[[Features], Tensor], levels: Sequence[int], *, precision: bool = True
    ) -> Outcome:
        """Return what `run` reaches, a function from features to `(B, N, classes + 4)` at `levels`.

        Without `precision` only the loss is computed; the average precisions are then 0.
        """
        assignments = self._assigned(tuple(levels))
        outputs = [run(features) for features in self.features]
        losses = [self._task.loss(x, a) for x, a in zip(outputs, assignments, strict=True)]
        weights = [a.positives for a in assignments]
        loss = sum(float(x) * n for x, n in zip(losses, weights, strict=True)) / max(sum(weights), 1)
        if not precision:
            return Outcome(Precision(0.0, 0.0, None, None, None, 0.0), loss)
        return Outcome(self.metric.score(self.decoded(outputs, levels)), loss)

    def decoded(self, outputs: Sequence[Tensor], levels: Sequence[int]) -> Detections:
        """Return the detections in a head's outputs, batch after batch, image after image."""
        points = self._assigned(tuple(levels))[0].points
        return joined([self._task.detect(x, points) for x in outputs], [len(x) for x in outputs])

    def detections(self, run: Callable[[Features], Tensor], levels: Sequence[int]) -> Detections:
        """Return what `run` finds, image after image."""
        with torch.no_grad():
            return self.decoded([run(features) for features in self.features], levels)

    def _assigned(self, levels: tuple[int, ...]) -> list[Assignment]:
        if levels not in self._assignments:
            pairs = zip(self._targets, self.features, strict=True)
            self._assignments[levels] = [self._task.targets(t, f, levels) for t, f in pairs]
        return self._assignments[levels]


@torch.no_grad()
def backbone_features(detector: Detector, images: Tensor) -> Features:
    """Return the features of images in evaluation mode."""
    detector.backbone.eval()
    found: Features = detector.backbone(images.contiguous(memory_format=torch.channels_last))
    return found
