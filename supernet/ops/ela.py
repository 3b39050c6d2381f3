"""Efficient local attention."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.ela import EfficientLocalAttention
from supernet.initialisation import fill_convolution, fill_norm
from supernet.ops import Context
from supernet.ops.norm import group_norm


def initialise(op: EfficientLocalAttention, name: str, tensor: Tensor) -> None:
    """As convolutions and norms."""
    (fill_norm if "_norm_" in name else fill_convolution)(name, tensor)


def run(
    op: EfficientLocalAttention, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input, each row and each column weighted."""
    (x,) = inputs
    rows = _gate(op, x.mean(3), weights, "height").unsqueeze(3)
    columns = _gate(op, x.mean(2), weights, "width").unsqueeze(2)
    return x * rows * columns


def _gate(op: EfficientLocalAttention, line: Tensor, weights: Mapping[str, Tensor], axis: str) -> Tensor:
    weight = weights[f"{axis}_weight"]
    seen = F.conv1d(line, weight, padding=op.kernel // 2, groups=line.shape[1])
    scale, shift = weights[f"{axis}_norm_weight"], weights[f"{axis}_norm_bias"]
    return group_norm(seen, op.groups, scale, shift, op.eps).sigmoid()
