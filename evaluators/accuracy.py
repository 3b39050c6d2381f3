"""Accuracy of any architecture of a trained supernet: by inherited weights, then by weights adapted briefly.

The backbone runs once over the images; norm statistics are re-estimated for each architecture on cached
features of training images before anything is scored.
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
from evaluators.validation import Outcome, Validation
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
        validation: the images that are scored.
        calibration: features of training images by which norm statistics are re-estimated, by batch.
    """

    def __init__(
        self,
        workdir: Path | str,
        dataset_folder: Path | str,
        *,
        images: int | None = None,
        calibration_images: int = CALIBRATION_IMAGES,
    ) -> None:
        """Load the supernet and run its backbone over the first `images` of the split `val`.

        Raises:
            WeightMismatch: the folder holds no trained supernet.
            DatasetError: the dataset cannot be used; the message names file, record and remedy.
            OtherDataset: the supernet was trained on other classes.
        """
        self.detector: Detector = load_detector(workdir)
        labels = CocoDetection.open(dataset_folder, "val")
        _require_same_classes(self.detector, labels)
        self.validation = Validation(self.detector, labels, images)
        self._train = Letterbox(CocoDetection.open(dataset_folder, "train"), self.detector.image_size)
        self.calibration = calibration_features(self.detector, self._train, calibration_images)
        self.statistics = lru_cache(64)(self._statistics)

    def score(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return `ap` (with its standard error), `ap50`, `ap_small/medium/large`, `val_loss` as inherited."""
        return self.outcome(architecture).scores("inherited")

    def adapt(self, architecture: Architecture, steps: int) -> tuple[Score, ...]:
        """Return the same after `steps` optimizer steps of neck and head from the inherited weights."""
        return self.outcome_alone(self.adapted(architecture, steps)).scores("adapted")

    def outcome(self, architecture: Architecture, *, precision: bool = True) -> Outcome:
        """Return what the inherited weights reach; see `Validation.outcome`."""
        statistics = self.statistics(architecture)
        levels = [level for level, _ in architecture.outputs]
        return self.validation.outcome(
            lambda features: self.detector(features, architecture, statistics=statistics),
            levels,
            precision=precision,
        )

    def adapted(self, architecture: Architecture, steps: int, adaptation: Adaptation = ADAPTATION) -> Alone:
        """Return neck and head after `steps` steps from the inherited weights."""
        model = inherited(self.detector, architecture, self.statistics(architecture))
        spec = AloneSpec(steps, learning_rate=adaptation.learning_rate)
        source = JoinedFeatures(self.training_features, adaptation.batches)
        train_alone(model, self.detector.task, source, spec, self.detector.spec)
        return model

    def outcome_alone(self, model: Alone) -> Outcome:
        """Return what neck and head of their own reach, their norm statistics re-estimated."""
        model.calibrate(self.calibration)
        model.eval()
        return self.validation.outcome(model, [level for level, _ in model.neck.architecture.outputs])

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


def _require_same_classes(detector: Detector, dataset: CocoDetection) -> None:
    """Refuse a dataset of other classes than the supernet's, or of the same in another order."""
    own, theirs = ([entry.name for entry in side.categories] for side in (detector, dataset))
    if own != theirs:
        odd = ", ".join(sorted(set(own) ^ set(theirs))) or "their order"
        raise OtherDataset(
            f"the supernet was trained on another dataset: its {len(own)} classes and the dataset's "
            f"{len(theirs)} differ in {odd}; train one on this dataset, or score on its own"
        )
