"""Resampling to the size of the node that reads the edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Resize(Op):
    """Interpolation to the node's size, never by a scale factor.

    Attributes:
        mode: nearest or bilinear.
        align_corners: bilinear only: whether corner pixels keep their values.
    """

    kind: ClassVar[str] = "resize"

    mode: Literal["nearest", "bilinear"] = "nearest"
    align_corners: bool = False

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's channels at the node's size."""
        require(size is not None, "resize: the level has no tensor yet, so it has no size to resize to")
        assert size is not None
        return Shape(inputs[0].channels, *size)
