"""Selective-kernel fusion: a softmax over the branches for each channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape, require


@dataclass(frozen=True, kw_only=True)
class Selective(ElementwiseFusion):
    """sum -> GAP -> 1x1 -> PReLU -> one 1x1 a branch -> softmax over branches (SKFF, Zamir et al. 2020).

    Attributes:
        reduction: channels over the squeezed ones.
        least: squeezed channels at least.
        bias: whether the convolutions have one.
    """

    kind: ClassVar[str] = "selective"

    reduction: int = 8
    least: int = 4
    bias: bool = False

    def __post_init__(self) -> None:
        require(self.reduction > 0 < self.least, "selective: reduction and least must be positive")

    def squeezed(self, channels: int) -> int:
        """Return the number of squeezed channels."""
        return max(self.least, channels // self.reduction)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the squeezing 1x1, the slope of the PReLU, and the 1x1 of all branches in one."""
        channels, inner = inputs[0].channels, self.squeezed(inputs[0].channels)
        outputs = len(inputs) * channels
        found: dict[str, tuple[int, ...]] = {
            "squeeze_weight": (inner, channels, 1, 1),
            "slope": (1,),
            "branch_weight": (outputs, inner, 1, 1),
        }
        return {**found, "squeeze_bias": (inner,), "branch_bias": (outputs,)} if self.bias else found

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the convolutions, on one pixel."""
        return output.channels * self.squeezed(output.channels) * (1 + len(inputs))
