"""Coordinate attention."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.coordinate import CoordinateAttention
from supernet.initialisation import fill_convolution, fill_norm
from supernet.ops import Context


def initialise(op: CoordinateAttention, name: str, tensor: Tensor) -> None:
    """As convolutions and norms."""
    (fill_norm if name.startswith(("norm_", "running_")) else fill_convolution)(name, tensor)


def run(
    op: CoordinateAttention, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input, each row and each column weighted."""
    (x,) = inputs
    rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).movedim(3, 2)
    both = F.conv2d(torch.cat([rows, columns], dim=2), weights["squeeze_weight"])  # (B, c, H + W, 1)
    momentum = op.momentum if context.momentum is None else context.momentum
    mean, var = weights["running_mean"], weights["running_var"]
    scale, shift = weights["norm_weight"], weights["norm_bias"]
    both = F.hardswish(F.batch_norm(both, mean, var, scale, shift, context.training, momentum, op.eps))
    down, across = both.split([x.shape[2], x.shape[3]], dim=2)
    row_gate = F.conv2d(down, weights["height_weight"]).sigmoid()
    column_gate = F.conv2d(across.movedim(2, 3), weights["width_weight"]).sigmoid()
    return x * row_gate * column_gate
