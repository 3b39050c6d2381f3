"""Concurrent spatial and channel squeeze-and-excitation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, require


@dataclass(frozen=True, kw_only=True)
class SpatialChannelExcite(Op):
    """`x * channel gate + x * sigmoid(1x1 x)` (Roy et al. 2018).

    Attributes:
        reduction: channels over the squeezed ones of the channel gate.
    """

    kind: ClassVar[str] = "scse"

    reduction: int = 16

    def __post_init__(self) -> None:
        require(self.reduction > 0, f"scse: reduction must be positive, got {self.reduction}")

    def squeezed(self, channels: int) -> int:
        """Return the number of squeezed channels, one or more."""
        return max(1, channels // self.reduction)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return three 1x1 convolutions with bias."""
        channels, inner = inputs[0].channels, self.squeezed(inputs[0].channels)
        return {
            "squeeze_weight": (inner, channels, 1, 1),
            "squeeze_bias": (inner,),
            "excite_weight": (channels, inner, 1, 1),
            "excite_bias": (channels,),
            "spatial_weight": (1, channels, 1, 1),
            "spatial_bias": (1,),
        }

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the three convolutions."""
        return 2 * output.channels * self.squeezed(output.channels) + output.pixels * output.channels
