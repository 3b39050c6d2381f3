"""Efficient channel attention: a one-dimensional convolution over the pooled channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, require


@dataclass(frozen=True, kw_only=True)
class EfficientChannelAttention(Op):
    """`x * sigmoid(conv1d(GAP x))` across neighbouring channels, no bias (Wang et al. 2020).

    Attributes:
        kernel: neighbouring channels that a weight sees, odd.
    """

    kind: ClassVar[str] = "eca"

    kernel: int = 5

    def __post_init__(self) -> None:
        require(self.kernel > 0 and self.kernel % 2 == 1, f"eca: the kernel must be odd, got {self.kernel}")

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` (1, 1, kernel)."""
        return {"weight": (1, 1, self.kernel)}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the convolution over the channels."""
        return output.channels * self.kernel
