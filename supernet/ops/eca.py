"""Efficient channel attention."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.eca import EfficientChannelAttention
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: EfficientChannelAttention, name: str, tensor: Tensor) -> None:
    """As a convolution."""
    fill_convolution(name, tensor)


def run(
    op: EfficientChannelAttention, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input, each channel weighted."""
    (x,) = inputs
    line = x.mean((2, 3)).unsqueeze(1)  # (B, 1, C)
    gate = F.conv1d(line, weights["weight"], padding=op.kernel // 2).sigmoid()
    return x * gate.movedim(1, 2).unsqueeze(3)
