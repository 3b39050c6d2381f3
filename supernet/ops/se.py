"""Squeeze-and-excitation."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.se import SqueezeExcite
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: SqueezeExcite, name: str, tensor: Tensor) -> None:
    """As convolutions."""
    fill_convolution(name, tensor)


def run(
    op: SqueezeExcite, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input, each channel weighted."""
    return inputs[0] * channel_gate(inputs[0], weights, hard=op.gate == "hard_sigmoid")


def channel_gate(x: Tensor, weights: Mapping[str, Tensor], *, hard: bool) -> Tensor:
    """Return `(B, C, 1, 1)` between 0 and 1."""
    pooled = x.mean((2, 3), keepdim=True)
    inner = F.relu(F.conv2d(pooled, weights["squeeze_weight"], weights["squeeze_bias"]))
    logits = F.conv2d(inner, weights["excite_weight"], weights["excite_bias"])
    return F.hardsigmoid(logits) if hard else logits.sigmoid()
