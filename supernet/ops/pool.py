"""Pooling by a moving window."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.pool import Pool
from supernet.ops import Context
from supernet.ops.conv import same_pad


def run(op: Pool, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the pooled input."""
    (x,) = inputs
    return _max(op, x) if op.form == "max" else _average(op, x)


def _max(op: Pool, x: Tensor) -> Tensor:
    margin = 0
    if op.padding == "neg_inf":
        margin = op.kernel // 2
    elif op.padding == "zeros":
        x = F.pad(x, [op.kernel // 2] * 4)
    elif op.padding != "none":
        x = same_pad(x, op.kernel, op.stride, value=float("-inf") if op.padding == "same" else 0.0)
    return F.max_pool2d(x, op.kernel, op.stride, margin)


def _average(op: Pool, x: Tensor) -> Tensor:
    if op.padding == "same":
        inside = same_pad(torch.ones_like(x[:1, :1]), op.kernel, op.stride)
        padded = same_pad(x, op.kernel, op.stride)
        return F.avg_pool2d(padded, op.kernel, op.stride) / F.avg_pool2d(inside, op.kernel, op.stride)
    if op.padding == "same_zeros":
        x = same_pad(x, op.kernel, op.stride)
    margin = op.kernel // 2 if op.padding == "zeros" else 0
    return F.avg_pool2d(x, op.kernel, op.stride, margin)
