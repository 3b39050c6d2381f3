"""AGVM: gradients of neck and head scaled by how steady they are beside the backbone's."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import nn

from supernet.backbone import BackboneSpec
from supernet.detector import Detector
from supernet.training.spec import TrainingSpec
from supernet.training.variance import BOUNDS, Alignment


def modules() -> SimpleNamespace:
    return SimpleNamespace(**{name: nn.Linear(2, 1, bias=False) for name in ("backbone", "neck", "head")})


def alignment(parts: SimpleNamespace, backbone: BackboneSpec | None = None) -> Alignment:
    spec = TrainingSpec("d", backbone=backbone or BackboneSpec(), align_variance=True)
    return Alignment(cast(Detector, parts), spec)


def give(parts: SimpleNamespace, **gradients: tuple[float, float]) -> None:
    for name, gradient in gradients.items():
        getattr(parts, name).weight.grad = torch.tensor([gradient], dtype=torch.float32)


def test_an_unsteady_neck_is_scaled_down_and_a_steady_head_up() -> None:
    parts = modules()
    align = alignment(parts)
    give(parts, backbone=(1, 0), neck=(1, 0), head=(1, 0))
    align.scale_gradients()
    assert parts.neck.weight.grad.tolist() == [[1, 0]]  # one gradient has no variance yet
    give(parts, backbone=(0, 1), neck=(-1, 0), head=(1, 1))
    align.scale_gradients()
    # (1 - cos) / 2: backbone 1/2, neck 1, head (1 - sqrt(1/2)) / 2
    assert align.variances == pytest.approx({"backbone": 0.5, "neck": 1.0, "head": 0.146447}, abs=1e-5)
    assert parts.neck.weight.grad[0, 0] == pytest.approx(-(0.5**0.5))
    assert parts.head.weight.grad[0, 0] == pytest.approx((0.5 / 0.146447) ** 0.5, rel=1e-4)
    assert parts.backbone.weight.grad.tolist() == [[0, 1]]


def test_the_scale_is_bounded_and_survives_a_checkpoint() -> None:
    parts, again = modules(), modules()
    align, restored = alignment(parts), alignment(again)
    give(parts, backbone=(1, 0), neck=(1, 0), head=(1, 0))
    align.scale_gradients()
    restored.restore(align.state())
    for target, aligned in ((parts, align), (again, restored)):
        give(target, backbone=(0, 1), neck=(1, 0), head=(0, 1))
        aligned.scale_gradients()
        assert target.neck.weight.grad[0, 0] == BOUNDS[1]
    assert restored.variances == align.variances


def test_behind_a_frozen_backbone_the_neck_is_the_reference() -> None:
    parts = modules()
    align = alignment(parts, BackboneSpec("plain", "file", frozen=True))
    for neck, head in (((1, 0), (1, 0)), ((0, 1), (-1, 0))):
        give(parts, neck=neck, head=head)
        align.scale_gradients()
    assert parts.neck.weight.grad.tolist() == [[0, 1]]
    assert parts.head.weight.grad[0, 0] == pytest.approx(-(0.5**0.5))
