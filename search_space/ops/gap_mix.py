"""RevFP's mix of two inputs by a gate that sees both globally."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class GapMix(ElementwiseFusion):
    """`w * first + (1 - w) * second`, `w = sigmoid(1x1 [GAP first, GAP second])` (RCNet, Zong et al. 2021).

    Attributes:
        per: one weight a channel, or one for the whole map.
    """

    kind: ClassVar[str] = "gap_mix"

    per: Literal["channel", "map"] = "channel"

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the common shape of exactly two inputs."""
        require(len(inputs) == 2, f"gap_mix: takes two inputs, got {len(inputs)}")
        return super().infer(inputs, size)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` (outputs, 2 * channels, 1, 1) and `bias` (outputs,)."""
        channels = inputs[0].channels
        outputs = channels if self.per == "channel" else 1
        return {"weight": (outputs, 2 * channels, 1, 1), "bias": (outputs,)}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the 1x1 convolution of one pixel."""
        return 2 * output.channels * (output.channels if self.per == "channel" else 1)
