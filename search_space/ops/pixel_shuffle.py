"""Channels laid out as pixels, cut to the size of the node's level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require
from search_space.ops.deconv import cut


@dataclass(frozen=True, kw_only=True)
class PixelShuffle(Op):
    """`(C * factor**2, H, W)` to `(C, H * factor, W * factor)` (Shi et al. 2016).

    Attributes:
        factor: pixels of a side for one input pixel.
    """

    kind: ClassVar[str] = "pixel_shuffle"

    factor: int = 2

    def __post_init__(self) -> None:
        require(self.factor > 0, f"pixel_shuffle: factor must be positive, got {self.factor}")

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return fewer channels at the larger size, or at the node's where that is smaller."""
        shape, area = inputs[0], self.factor**2
        require(
            shape.channels % area == 0,
            f"pixel_shuffle: {shape.channels} channels are no multiple of {area}",
        )
        height, width = shape.height * self.factor, shape.width * self.factor
        return cut(self.kind, Shape(shape.channels // area, height, width), size)
