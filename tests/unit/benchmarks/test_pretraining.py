"""The backbone of the ranking benchmark: pretrained as a classifier, loadable as any pretrained file."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.pretraining import LEVELS, PICTURE, Pretraining, pictures, pretrain
from supernet.backbone import Backbone, BackboneSpec
from supernet.data.digits import source_digits


def test_pictures_show_one_digit_each_and_follow_from_the_seed() -> None:
    scans, _ = source_digits(0)
    images, labels = pictures(np.random.default_rng(3), scans, 4)
    again, _ = pictures(np.random.default_rng(3), scans, 4)
    assert images.shape == (4, 3, PICTURE, PICTURE) and torch.equal(images, again)
    assert float(images.min()) >= 0 and float(images.max()) <= 1 and set(labels.tolist()) <= set(range(10))


def test_a_pretrained_backbone_is_loaded_frozen_and_made_twice_the_same(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    right = [pretrain(file, Pretraining(steps=2, batch_size=4)) for file in files]
    assert files[0].read_bytes() == files[1].read_bytes() and right[0] == right[1]
    backbone = Backbone(BackboneSpec("plain", str(files[0])), LEVELS)
    assert backbone.spec.frozen and not any(p.requires_grad for p in backbone.parameters())
