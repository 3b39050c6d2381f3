"""Pooling to the size of the node that reads the edge, or to one pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class AdaptivePool(Op):
    """Pooling whose windows follow from the sizes.

    Attributes:
        form: max or avg.
        to: the node's size, or one pixel (global pooling).
    """

    kind: ClassVar[str] = "adaptive_pool"

    form: Literal["max", "avg"] = "max"
    to: Literal["node", "pixel"] = "node"

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's channels at the node's size, or at one pixel."""
        if self.to == "pixel":
            return Shape(inputs[0].channels, 1, 1)
        require(size is not None, "adaptive_pool: the level has no tensor yet, so it has no size to pool to")
        assert size is not None
        return Shape(inputs[0].channels, *size)
