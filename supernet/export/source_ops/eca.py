"""Efficient channel attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.eca import EfficientChannelAttention as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class EfficientChannelAttention(nn.Module):
    """Channels weighted by the means of their neighbours."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 1, kernel))
        nn.init.kaiming_uniform_(self.weight, a=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, each channel weighted."""
        line = x.mean((2, 3)).unsqueeze(1)  # (B, 1, C)
        gate = F.conv1d(line, self.weight, padding=self.weight.shape[2] // 2).sigmoid()
        return x * gate.movedim(1, 2).unsqueeze(3)


HELPERS = (EfficientChannelAttention,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    return Layer("attention", Call("EfficientChannelAttention", (Argument("kernel", op.kernel),)))
