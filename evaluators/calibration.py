"""Backbone features of a few training images, by which norm statistics are re-estimated for each neck."""

from pathlib import Path

import numpy as np

from evaluators.validation import Features, backbone_features
from search_space.architecture import Architecture
from supernet.data.coco import CocoDetection
from supernet.data.loader import Letterbox
from supernet.detector import Detector, DetectorStatistics

IMAGES = 64
BATCH = 32


def calibration_features(detector: Detector, train: Letterbox, count: int = IMAGES) -> list[Features]:
    """Return the features of `count` training images, drawn by the training's seed."""
    rng = np.random.default_rng(detector.spec.seed)
    picks = rng.permutation(len(train))[:count].tolist()
    groups = [picks[start : start + BATCH] for start in range(0, len(picks), BATCH)]
    return [backbone_features(detector, train.pixels(group).float() / 255) for group in groups]


def statistics_of(
    detector: Detector, dataset_folder: Path | str, architecture: Architecture
) -> DetectorStatistics:
    """Return one architecture's norm statistics, those that it is scored with; only few images are decoded.

    Raises:
        DatasetError: the dataset cannot be used; the message names file, record and remedy.
    """
    dataset = CocoDetection.open(dataset_folder, "train")
    train = Letterbox(dataset, detector.image_size, cache_bytes=0)
    return detector.calibrate(architecture, calibration_features(detector, train))
