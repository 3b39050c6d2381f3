"""Transposed convolution."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.deconv import Deconv
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: Deconv, name: str, tensor: Tensor) -> None:
    """As a convolution."""
    fill_convolution(name, tensor)


def run(op: Deconv, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the transposed convolution of the one input, cut to the node's size."""
    (x,) = inputs
    groups = op.grouping(x.shape[1])
    made = F.conv_transpose2d(x, weights["weight"], weights.get("bias"), op.stride, op.margin, 0, groups)
    return made if context.size is None else made[:, :, : context.size[0], : context.size[1]]
