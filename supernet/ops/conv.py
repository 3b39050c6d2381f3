"""Convolution."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.conv import Conv
from supernet.ops import Context


def initialise(op: Conv, name: str, tensor: Tensor) -> None:
    """Kaiming-uniform weights, zero bias."""
    if name == "weight":
        nn.init.kaiming_uniform_(tensor, a=1)
    else:
        nn.init.zeros_(tensor)


def run(op: Conv, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the convolution of the one input."""
    (x,) = inputs
    margin = op.margin
    if op.padding == "same":
        x = same_pad(x, op.kernel, op.stride, op.dilation)
    elif op.padding == "replicate" and margin:
        x, margin = F.pad(x, [margin] * 4, mode="replicate"), 0
    groups = op.grouping(x.shape[1])
    return F.conv2d(x, weights["weight"], weights.get("bias"), op.stride, margin, op.dilation, groups)


def same_pad(x: Tensor, kernel: int, stride: int, dilation: int = 1, value: float = 0.0) -> Tensor:
    """Return `x` padded as TensorFlow's SAME does: the odd pixel goes to the bottom and the right."""
    reach = dilation * (kernel - 1) + 1
    margins: list[int] = []
    for extent in (x.shape[-1], x.shape[-2]):
        total = ((extent + stride - 1) // stride - 1) * stride + reach - extent
        total = max(total, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(x, margins, value=value)
