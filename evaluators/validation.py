"""Validation images behind a fixed backbone: features computed once and scored again and again, or, where
they would fill the memory, anew for each pass over the images.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from evaluators.score import Score, Source
from supernet.data.coco import CocoDetection, ImageRecord
from supernet.data.loader import CACHE_BYTES, Letterbox
from supernet.detection.assignment import Assignment
from supernet.detection.average_precision import AveragePrecision, Precision
from supernet.detection.decoding import Detections, joined
from supernet.detector import Detector
from supernet.tasks.detection import Detection
from supernet.training.features import feature_bytes

BATCH = 50
FEATURE_LIMIT_BYTES = 2 << 30
"""2 GiB: of a dataset whose features take more, a part is scored while searching."""
PART_SEED = 0
"""Of the draw of that part; the same images for every architecture and every search."""
Features = Mapping[int, Tensor]
Run = Callable[[Features], Tensor]
"""From backbone features to `(B, N, classes + 4)`."""


@dataclass(frozen=True)
class Outcome:
    """What an architecture reaches on the validation images.

    Attributes:
        precision: average precisions, larger is better.
        loss: mean loss against the labels per location that learns a box, smaller is better.
        images: how many were scored.
        of_images: how many there are.
    """

    precision: Precision
    loss: float
    images: int
    of_images: int

    def scores(self, source: Source) -> tuple[Score, ...]:
        """Return the numbers as scores; sizes without an object are left out."""
        p = self.precision
        named = {"ap50": p.ap50, "ap_small": p.small, "ap_medium": p.medium, "ap_large": p.large}
        found = {"ap": p.ap, **named, "val_loss": self.loss}
        return tuple(
            Score(name, value, "1", source, p.stderr if name == "ap" else None, self.images, self.of_images)
            for name, value in found.items()
            if value is not None
        )


@dataclass(eq=False)
class Tally:
    """What one architecture has reached on the images shown to it so far.

    Attributes:
        run: the architecture with its weights, ready to be scored.
        levels: of its outputs.
        precision: whether it is to find anything, or only to be held against the labels.
    """

    run: Run
    levels: tuple[int, ...]
    precision: bool = True
    _losses: list[tuple[float, int]] = field(default_factory=list)
    _found: list[Detections] = field(default_factory=list)
    _images: list[int] = field(default_factory=list)

    def show(self, features: Features, assignment: Assignment, task: Detection) -> None:
        """Run over a batch and keep what counts."""
        outputs = self.run(features)
        self._losses.append((float(task.loss(outputs, assignment)), assignment.positives))
        self._images.append(len(outputs))
        if self.precision:
            self._found.append(task.detect(outputs, assignment.points))

    @property
    def loss(self) -> float:
        """The mean loss per location that learns a box."""
        weight = sum(positives for _, positives in self._losses)
        return sum(loss * positives for loss, positives in self._losses) / max(weight, 1)

    @property
    def detections(self) -> Detections:
        """What was found, image after image."""
        return joined(self._found, self._images)


class Validation:
    """The validation images behind a detector's backbone, with what is to be found in them.

    Attributes:
        images: how many are scored.
        of_images: how many there are.
        features: by batch, as the backbone gives them: kept in memory, or computed anew by each iteration.
        metric: average precision on these images.
    """

    def __init__(
        self,
        detector: Detector,
        dataset: CocoDetection,
        images: int | None = None,
        *,
        limit_bytes: int = FEATURE_LIMIT_BYTES,
        live: bool = False,
    ) -> None:
        """Take the first `images`; by default all, or as many drawn at random as fit `limit_bytes`.

        With `live` all are taken in any case, and the backbone runs whenever they are scored.
        """
        chosen = dataset.images[:images]
        kept = chosen if live or images is not None else part(detector, dataset, limit_bytes)
        used = replace(dataset, images=tuple(kept))
        source = Letterbox(used, detector.image_size, cache_bytes=0 if live else CACHE_BYTES)
        self.images, self.of_images = len(kept), len(chosen)
        self._task, self._live = detector.task, live
        passes = _Passes(detector, source)
        self.features: Iterable[Features] = passes if live else list(passes)
        starts = range(0, len(source), BATCH)
        self._targets = [source.targets[start : start + BATCH] for start in starts]
        self._assignments: dict[tuple[int, tuple[int, ...]], Assignment] = {}
        self.metric = AveragePrecision(source.records, source.scales, dataset.categories)

    def outcome(self, run: Run, levels: Sequence[int], *, precision: bool = True) -> Outcome:
        """Return what `run` reaches at `levels`.

        Without `precision` only the loss is computed; the average precisions are then 0.
        """
        tally = Tally(run, tuple(levels), precision)
        for _ in self.scan([tally]):
            pass
        return self.judged(tally)

    def scan(self, tallies: Sequence[Tally]) -> Iterator[int]:
        """Show every image to each of `tallies`, a batch's features to all before the next batch, and yield
        how many images are done after each batch.
        """
        done = 0
        for index, features in enumerate(self.features):
            with torch.no_grad():
                for tally in tallies:
                    tally.show(features, self._assigned(index, features, tally.levels), self._task)
            if self._live:
                self._assignments.clear()
            done += len(self._targets[index])
            yield done

    def judged(self, tally: Tally) -> Outcome:
        """Return what a tally reached to which every image was shown."""
        nothing = Precision(0.0, 0.0, None, None, None, 0.0)
        precision = self.metric.score(tally.detections) if tally.precision else nothing
        return Outcome(precision, tally.loss, self.images, self.of_images)

    def decoded(self, outputs: Sequence[Tensor], levels: Sequence[int]) -> Detections:
        """Return the detections in a head's outputs, batch after batch, image after image."""
        features = next(iter(self.features))
        points = self._assigned(0, features, tuple(levels)).points
        return joined([self._task.detect(x, points) for x in outputs], [len(x) for x in outputs])

    def detections(self, run: Run, levels: Sequence[int]) -> Detections:
        """Return what `run` finds, image after image."""
        tally = Tally(run, tuple(levels))
        for _ in self.scan([tally]):
            pass
        return tally.detections

    def _assigned(self, index: int, features: Features, levels: tuple[int, ...]) -> Assignment:
        """Return what the outputs are to say on a batch; kept as long as its features are."""
        key = (index, levels)
        if key not in self._assignments:
            self._assignments[key] = self._task.targets(self._targets[index], features, levels)
        return self._assignments[key]


@dataclass(frozen=True, eq=False)
class _Passes:
    """The features of all images by batch, computed as they are asked for."""

    detector: Detector
    source: Letterbox

    def __iter__(self) -> Iterator[Features]:
        for batch in self.source.batches(BATCH):
            yield backbone_features(self.detector, batch.images)


def part(detector: Detector, dataset: CocoDetection, limit_bytes: int) -> Sequence[ImageRecord]:
    """Return the images whose features fit `limit_bytes`, in order: all, or some drawn at random."""
    fitting = max(1, limit_bytes // (2 * feature_bytes(detector.backbone, detector.image_size, 1)))
    count = len(dataset.images)
    if fitting >= count:
        return dataset.images
    drawn = np.random.default_rng(PART_SEED).choice(count, size=fitting, replace=False)
    return [dataset.images[index] for index in sorted(drawn.tolist())]


@torch.no_grad()
def backbone_features(detector: Detector, images: Tensor) -> Features:
    """Return the features of images in evaluation mode."""
    detector.backbone.eval()
    found: Features = detector.backbone(images.contiguous(memory_format=torch.channels_last))
    return found
