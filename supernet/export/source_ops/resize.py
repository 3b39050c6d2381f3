"""Interpolation to the size of another tensor."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from search_space.ops.resize import Resize
from supernet.export.expression import Value, call


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Return `x` at the height and width of `like`, by nearest neighbours."""
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def resize_bilinear(x: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Return `x` at the height and width of `like`, by bilinear interpolation."""
    size = like.shape[-2:]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


HELPERS = (resize, resize_bilinear)


def expression(op: Resize, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of a helper."""
    assert like is not None, "the architecture was validated with a size"
    if op.mode == "nearest":
        return call("resize", operands[0], like)
    corners = {"align_corners": True} if op.align_corners else {}
    return call("resize_bilinear", operands[0], like, **corners)
