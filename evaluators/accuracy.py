"""Accuracy of any architecture of a trained supernet: by inherited weights, then by weights adapted briefly.

The backbone runs once over the images; norm statistics are re-estimated for each architecture on cached
features of training images before anything is scored. Where the features of all validation images would fill
the memory, many candidates are told apart on a part of them, and the few that are trained on all.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from evaluators.calibration import IMAGES as CALIBRATION_IMAGES
from evaluators.calibration import calibration_features
from evaluators.errors import OtherDataset
from evaluators.score import Score
from evaluators.validation import FEATURE_LIMIT_BYTES, Outcome, Run, Validation, part
from search_space.architecture import Architecture
from supernet.data.coco import CocoDetection
from supernet.data.loader import Letterbox, Loader
from supernet.detector import Detector, DetectorStatistics, load_detector
from supernet.training.alone import Alone, AloneSpec, inherited, train_alone
from supernet.training.features import (
    CachedFeatures,
    FeatureSource,
    JoinedFeatures,
    LiveFeatures,
    feature_bytes,
)

ADAPTATION_COPIES = 2
FEATURE_BYTES = 1 << 29


@dataclass(frozen=True)
class Adaptation:
    """How neck and head learn in a short adaptation.

    Attributes:
        learning_rate: peak; by default that of training alone.
        batches: of the supernet's training, joined in each step.
    """

    learning_rate: float = 4e-3
    batches: int = 2


ADAPTATION = Adaptation()


class AccuracyEvaluator:
    """Scores architectures of one trained supernet on one dataset.

    Attributes:
        detector: the trained supernet.
        calibration: features of training images by which norm statistics are re-estimated, by batch.
    """

    def __init__(
        self,
        workdir: Path | str,
        dataset_folder: Path | str,
        *,
        images: int | None = None,
        calibration_images: int = CALIBRATION_IMAGES,
        limit_bytes: int = FEATURE_LIMIT_BYTES,
    ) -> None:
        """Load the supernet, to be scored on the split `val`, or on the first `images` of it.

        Cached features of more than `limit_bytes` are those of a part of the images, see `Validation`.

        Raises:
            WeightMismatch: the folder holds no trained supernet.
            DatasetError: the dataset cannot be used; the message names file, record and remedy.
            OtherDataset: the supernet was trained on other classes.
        """
        self.detector: Detector = load_detector(workdir)
        self._labels = CocoDetection.open(dataset_folder, "val")
        _require_same_classes(self.detector, self._labels)
        self._images, self._limit_bytes = images, limit_bytes
        self._train = Letterbox(CocoDetection.open(dataset_folder, "train"), self.detector.image_size)
        self.calibration = calibration_features(self.detector, self._train, calibration_images)
        self.statistics = lru_cache(64)(self._statistics)

    @cached_property
    def validation(self) -> Validation:
        """The images that candidates are scored on, their features kept: all of them, or as many as fit."""
        return Validation(self.detector, self._labels, self._images, limit_bytes=self._limit_bytes)

    @cached_property
    def whole(self) -> Validation:
        """All validation images: the same where they fit, else without keeping any features."""
        fitting = part(self.detector, self._labels, self._limit_bytes)
        if self._images is not None or len(fitting) == len(self._labels.images):
            return self.validation
        return Validation(self.detector, self._labels, live=True)

    def score(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return `ap` (with its standard error), `ap50`, `ap_small/medium/large`, `val_loss` as inherited."""
        return self.outcome(architecture).scores("inherited")

    def adapt(self, architecture: Architecture, steps: int) -> tuple[Score, ...]:
        """Return the same after `steps` optimizer steps of neck and head, on all validation images."""
        return self.outcome_alone(self.adapted(architecture, steps)).scores("adapted")

    def outcome(self, architecture: Architecture, *, precision: bool = True) -> Outcome:
        """Return what the inherited weights reach; see `Validation.outcome`."""
        return self.validation.outcome(
            self.calibrated(architecture), levels_of(architecture), precision=precision
        )

    def calibrated(self, architecture: Architecture) -> Run:
        """Return the architecture with the inherited weights, its norm statistics re-estimated."""
        statistics = self.statistics(architecture)
        return lambda features: self.detector(features, architecture, statistics=statistics)

    def calibrated_alone(self, model: Alone) -> Run:
        """Return neck and head of their own in evaluation mode, their norm statistics re-estimated."""
        model.calibrate(self.calibration)
        return model.eval()

    def adapted(self, architecture: Architecture, steps: int, adaptation: Adaptation = ADAPTATION) -> Alone:
        """Return neck and head after `steps` steps from the inherited weights."""
        model = inherited(self.detector, architecture, self.statistics(architecture))
        spec = AloneSpec(steps, learning_rate=adaptation.learning_rate)
        source = JoinedFeatures(self.training_features, adaptation.batches)
        train_alone(model, self.detector.task, source, spec, self.detector.spec)
        return model

    def outcome_alone(self, model: Alone, *, whole: bool = True) -> Outcome:
        """Return what neck and head of their own reach, their norm statistics re-estimated: on all validation
        images, or on those that candidates are scored on.
        """
        images = self.whole if whole else self.validation
        return images.outcome(self.calibrated_alone(model), levels_of(model.neck.architecture))

    def _statistics(self, architecture: Architecture) -> DetectorStatistics:
        """Return the norm statistics of the architecture, the latest kept."""
        return self.detector.calibrate(architecture, self.calibration)

    @cached_property
    def training_features(self) -> FeatureSource:
        """Features of the training images by the supernet's backbone, as it is."""
        detector, spec = self.detector, self.detector.spec
        loader = Loader(self._train, spec.batch_size, spec.seed, spec.augmentation)
        frozen = detector.backbone.requires_grad_(False).eval()
        frozen.spec = dataclasses.replace(frozen.spec, frozen=True)
        wanted = feature_bytes(frozen, detector.image_size, len(self._train) * ADAPTATION_COPIES)
        if wanted <= FEATURE_BYTES:
            return CachedFeatures(frozen, loader, ADAPTATION_COPIES, torch.device("cpu"))
        return LiveFeatures(frozen, loader, torch.device("cpu"))


def levels_of(architecture: Architecture) -> tuple[int, ...]:
    """Return the levels of its outputs."""
    return tuple(level for level, _ in architecture.outputs)


def _require_same_classes(detector: Detector, dataset: CocoDetection) -> None:
    """Refuse a dataset of other classes than the supernet's, or of the same in another order."""
    own, theirs = ([entry.name for entry in side.categories] for side in (detector, dataset))
    if own != theirs:
        odd = ", ".join(sorted(set(own) ^ set(theirs))) or "their order"
        raise OtherDataset(
            f"the supernet was trained on another dataset: its {len(own)} classes and the dataset's "
            f"{len(theirs)} differ in {odd}; train one on this dataset, or score on its own"
        )
