"""Pooling by a moving window: torch's own, or a helper where the padding is TensorFlow's or of zeros."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from search_space.ops.pool import Pool
from supernet.export.expression import Argument, Call, Value
from supernet.export.source_ops.conv import same_pad


def max_pool_zeros(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return the max-pooled `x`, padded by zeros."""
    return F.max_pool2d(F.pad(x, [kernel // 2] * 4), kernel, stride)


def max_pool_same(x: Tensor, kernel: int, stride: int, value: float) -> Tensor:
    """Return the max-pooled `x`, padded as TensorFlow does, by `value`."""
    return F.max_pool2d(same_pad(x, kernel, stride, value), kernel, stride)


def average_pool_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return the average-pooled `x`, padded as TensorFlow does; margins do not count."""
    inside = same_pad(torch.ones_like(x[:1, :1]), kernel, stride)
    total = F.avg_pool2d(same_pad(x, kernel, stride), kernel, stride)
    return total / F.avg_pool2d(inside, kernel, stride)


def average_pool_same_zeros(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Return the average-pooled `x`, padded as TensorFlow does; margins count as zeros."""
    return F.avg_pool2d(same_pad(x, kernel, stride), kernel, stride)


HELPERS = (same_pad, max_pool_zeros, max_pool_same, average_pool_same, average_pool_same_zeros)


def expression(op: Pool, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of torch's function or of a helper."""
    window = (Argument("", operands[0]), Argument("kernel_size", op.kernel))
    stride = Argument("stride", op.stride, keyword=True)
    if op.padding.startswith("same") or (op.form == "max" and op.padding == "zeros"):
        name, extra = _helper(op)
        return Call(name, (*window, Argument("stride", op.stride), *extra))
    margin = 0 if op.padding == "none" else op.kernel // 2
    function = "F.max_pool2d" if op.form == "max" else "F.avg_pool2d"
    return Call(function, (*window, stride, Argument("padding", margin, 0, keyword=True)))


def _helper(op: Pool) -> tuple[str, tuple[Argument, ...]]:
    if op.form == "avg":
        return ("average_pool_same" if op.padding == "same" else "average_pool_same_zeros"), ()
    if op.padding == "zeros":
        return "max_pool_zeros", ()
    value: Value = Call("float", (Argument("", "-inf"),)) if op.padding == "same" else 0.0
    return "max_pool_same", (Argument("value", value, keyword=True),)
