"""Normalisation of each pixel's vector of channels to a learned length."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from search_space.ops.l2_norm import L2Norm
from supernet.ops import Context


def initialise(op: L2Norm, name: str, tensor: Tensor) -> None:
    """Every weight is the scale."""
    nn.init.constant_(tensor, op.scale)


def run(op: L2Norm, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the normalised input."""
    (x,) = inputs
    length = x.square().sum(dim=1, keepdim=True).sqrt() + op.eps
    return x / length * weights["weight"][:, None, None]
