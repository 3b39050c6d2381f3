"""Max or average pooling by a moving window, or to the node's size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op, Shape, Size, ceil_div, require, strided


@dataclass(frozen=True, kw_only=True)
class Pool(Op):
    """A window that keeps the largest or the mean value.

    Attributes:
        form: max or avg.
        kernel: side of the window, pixels.
        stride: pixels between two windows.
        padding: none; neg_inf or zeros (symmetric, half the kernel; an average counts its zeros);
            same (TensorFlow's, asymmetric: -inf for max, left out of the mean for avg);
            same_zeros (zeros for both).
    """

    kind: ClassVar[str] = "pool"

    form: Literal["max", "avg"] = "max"
    kernel: int = 3
    stride: int = 2
    padding: Literal["none", "neg_inf", "zeros", "same", "same_zeros"] = "neg_inf"

    def __post_init__(self) -> None:
        require(self.kernel > 0 and self.stride > 0, "pool: kernel and stride must be positive")
        require(
            self.form == "max" or self.padding != "neg_inf", "pool: an average cannot be padded with -inf"
        )

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's channels at the pooled size."""
        shape = inputs[0]
        return Shape(shape.channels, self._extent(shape.height), self._extent(shape.width))

    def _extent(self, extent: int) -> int:
        if self.padding.startswith("same"):
            return ceil_div(extent, self.stride)
        return strided(extent, self.kernel, self.stride, 0 if self.padding == "none" else self.kernel // 2)
