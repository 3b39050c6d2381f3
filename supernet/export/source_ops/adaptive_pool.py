"""Pooling to the size of another tensor, or to one pixel."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from search_space.ops.adaptive_pool import AdaptivePool
from supernet.export.expression import Value, call


def max_pool_to(x: Tensor, like: Tensor) -> Tensor:
    """Return `x` at the height and width of `like`, by the largest values."""
    height, width = like.shape[-2:]
    return F.adaptive_max_pool2d(x, (height, width))


def average_pool_to(x: Tensor, like: Tensor) -> Tensor:
    """Return `x` at the height and width of `like`, by mean values."""
    height, width = like.shape[-2:]
    return F.adaptive_avg_pool2d(x, (height, width))


def global_max(x: Tensor) -> Tensor:
    """Return the largest value of each channel, `(B, C, 1, 1)`."""
    return x.amax((2, 3), keepdim=True)


def global_average(x: Tensor) -> Tensor:
    """Return the mean of each channel, `(B, C, 1, 1)`."""
    return x.mean((2, 3), keepdim=True)


HELPERS = (max_pool_to, average_pool_to, global_max, global_average)
_TO_NODE = {"max": "max_pool_to", "avg": "average_pool_to"}
_TO_PIXEL = {"max": "global_max", "avg": "global_average"}


def expression(op: AdaptivePool, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of a helper."""
    if op.to == "pixel":
        return call(_TO_PIXEL[op.form], operands[0])
    assert like is not None, "the architecture was validated with a size"
    return call(_TO_NODE[op.form], operands[0], like)
