"""Coordinate attention: rows and columns weighted by what both hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, require


@dataclass(frozen=True, kw_only=True)
class CoordinateAttention(Op):
    """Means of rows and columns -> 1x1, BN, hard-swish -> a 1x1 and a sigmoid each (Hou et al. 2021).

    Attributes:
        reduction: channels over the squeezed ones.
        least: squeezed channels at least.
        eps: added to the variance.
        momentum: share of the newest batch in the running statistics.
    """

    kind: ClassVar[str] = "coordinate"

    reduction: int = 32
    least: int = 8
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        require(self.reduction > 0 < self.least, "coordinate: reduction and least must be positive")

    def squeezed(self, channels: int) -> int:
        """Return the number of squeezed channels."""
        return max(self.least, channels // self.reduction)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return three 1x1 convolutions without bias and a norm."""
        channels, inner = inputs[0].channels, self.squeezed(inputs[0].channels)
        return {
            "squeeze_weight": (inner, channels, 1, 1),
            "norm_weight": (inner,),
            "norm_bias": (inner,),
            "height_weight": (channels, inner, 1, 1),
            "width_weight": (channels, inner, 1, 1),
        }

    def buffers(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the running mean and variance of the squeezed channels."""
        inner = self.squeezed(inputs[0].channels)
        return {"running_mean": (inner,), "running_var": (inner,)}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the three convolutions, each over rows and columns."""
        return 2 * output.channels * self.squeezed(output.channels) * (output.height + output.width)
