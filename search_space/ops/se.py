"""Squeeze-and-excitation: channels weighted by what the whole map holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.op import Op, Shape, require


@dataclass(frozen=True, kw_only=True)
class SqueezeExcite(Op):
    """`x * gate(W2 relu(W1 GAP x))` (Hu et al. 2018).

    Attributes:
        reduction: channels over the squeezed ones.
        gate: sigmoid or hard_sigmoid.
    """

    kind: ClassVar[str] = "se"

    reduction: int = 16
    gate: Literal["sigmoid", "hard_sigmoid"] = "sigmoid"

    def __post_init__(self) -> None:
        require(self.reduction > 0, f"se: reduction must be positive, got {self.reduction}")

    def squeezed(self, channels: int) -> int:
        """Return the number of squeezed channels, one or more."""
        return max(1, channels // self.reduction)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return two 1x1 convolutions with bias."""
        channels, inner = inputs[0].channels, self.squeezed(inputs[0].channels)
        return {
            "squeeze_weight": (inner, channels, 1, 1),
            "squeeze_bias": (inner,),
            "excite_weight": (channels, inner, 1, 1),
            "excite_bias": (channels,),
        }

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of both convolutions, on one pixel."""
        return 2 * output.channels * self.squeezed(output.channels)
