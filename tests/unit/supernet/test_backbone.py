"""Backbones: levels and channels, files of weights, and what is said of those that do not fit."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from supernet.backbone import Backbone, BackboneSpec
from supernet.errors import UnknownRule, WeightMismatch

LEVELS = (3, 4, 5)
SMALL = "test_resnet"  # timm's own miniature, 0.5 M parameters


def test_the_plain_backbone_halves_five_times() -> None:
    backbone = Backbone(BackboneSpec(), LEVELS)
    features = backbone(torch.rand(2, 3, 72, 40))
    shapes = {level: tuple(x.shape) for level, x in features.items()}
    assert shapes == {3: (2, 64, 9, 5), 4: (2, 96, 5, 3), 5: (2, 128, 3, 2)}
    assert backbone.channels == {3: 64, 4: 96, 5: 128}
    assert 0.6e6 < sum(p.numel() for p in backbone.parameters()) < 0.8e6


def test_any_timm_model_with_feature_maps_serves() -> None:
    backbone = Backbone(BackboneSpec(SMALL), (3, 4, 5, 6)).eval()
    features = backbone(torch.rand(1, 3, 64, 64))
    assert list(features) == [3, 4, 5]  # level 6 belongs to the neck
    for level, x in features.items():
        assert tuple(x.shape) == (1, backbone.channels[level], 64 >> level, 64 >> level)


def test_unknown_names_get_near_matches() -> None:
    with pytest.raises(UnknownRule, match=r"'resnet51' is neither 'plain' nor known to timm; .*'resnet50'"):
        Backbone(BackboneSpec("resnet51"), LEVELS)
    with pytest.raises(UnknownRule, match=r"has levels \[3, 4, 5\], not \[2\]"):
        Backbone(BackboneSpec(), (2, 3, 4))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_pretrained_files_load_and_freeze(tmp_path: Path, suffix: str) -> None:
    source = timm.create_model(SMALL, num_classes=7)
    for buffer in source.buffers():
        buffer.add_(1)
    file = tmp_path / f"weights.{suffix}"
    save_file(source.state_dict(), file) if suffix == "safetensors" else torch.save(source.state_dict(), file)
    backbone = Backbone(BackboneSpec(SMALL, str(file), frozen=True), LEVELS).train()
    images = torch.rand(2, 3, 64, 64)
    normalised = (images - backbone.mean) / backbone.std
    expected = source.eval().forward_features(normalised)
    torch.testing.assert_close(backbone(images)[5], expected)
    assert not backbone.training and not any(p.requires_grad for p in backbone.parameters())


def test_files_that_do_not_fit_list_every_missing_and_misshapen_tensor(tmp_path: Path) -> None:
    state = Backbone(BackboneSpec(), LEVELS).model.state_dict()
    del state["down.0.0.weight"]
    state["down.1.1.bias"] = torch.zeros(5)
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    with pytest.raises(
        WeightMismatch, match=r"missing: down.0.0.weight; misshapen: down.1.1.bias is \(5,\), not \(32,\)"
    ):
        Backbone(BackboneSpec("plain", str(tmp_path / "w.pth")), LEVELS)
    with pytest.raises(WeightMismatch, match="not found"):
        Backbone(BackboneSpec("plain", str(tmp_path / "none.pth")), LEVELS)
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightMismatch, match="cannot be read as weights"):
        Backbone(BackboneSpec("plain", str(tmp_path / "junk.safetensors")), LEVELS)


def test_a_file_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "module.pth")
    with pytest.raises(WeightMismatch, match="cannot be read as weights"):
        Backbone(BackboneSpec("plain", str(tmp_path / "module.pth")), LEVELS)


def test_pretrained_backbones_are_frozen_unless_asked_otherwise() -> None:
    assert BackboneSpec("plain", "w.pth").frozen is True
    assert BackboneSpec("plain", "w.pth", frozen=False).frozen is False and BackboneSpec().frozen is False


def test_a_frozen_backbone_needs_weights() -> None:
    with pytest.raises(WeightMismatch, match="frozen but has no pretrained file"):
        Backbone(BackboneSpec(frozen=True), LEVELS)
