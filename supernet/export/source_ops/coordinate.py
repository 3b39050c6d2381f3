"""Coordinate attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.coordinate import CoordinateAttention as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class CoordinateAttention(nn.Module):
    """Rows and columns weighted by what both hold."""

    def __init__(self, channels: int, squeezed: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.norm = nn.BatchNorm2d(squeezed, eps, momentum)
        self.height = nn.Conv2d(squeezed, channels, 1, bias=False)
        self.width = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, each row and each column weighted."""
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).movedim(3, 2)
        both = self.squeeze(torch.cat([rows, columns], dim=2))  # (B, c, H + W, 1)
        both = F.hardswish(self.norm(both))
        down, across = both.split([x.shape[2], x.shape[3]], dim=2)
        row_gate = self.height(down).sigmoid()
        return x * row_gate * self.width(across.movedim(2, 3)).sigmoid()


HELPERS = (CoordinateAttention,)
_TENSORS = {
    "squeeze_weight": "squeeze.weight",
    "norm_weight": "norm.weight",
    "norm_bias": "norm.bias",
    "running_mean": "norm.running_mean",
    "running_var": "norm.running_var",
    "height_weight": "height.weight",
    "width_weight": "width.weight",
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    arguments = (
        Argument("channels", channels),
        Argument("squeezed", op.squeezed(channels)),
        Argument("eps", op.eps),
        Argument("momentum", op.momentum),
    )
    return Layer("attention", Call("CoordinateAttention", arguments), _TENSORS)
