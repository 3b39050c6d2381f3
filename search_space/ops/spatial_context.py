"""A global context that each pixel takes as much of as it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, require


@dataclass(frozen=True, kw_only=True)
class SpatialContext(Op):
    """`x + m(v x . softmax(k x)) * sigmoid(a x)`, each letter a 1x1 (CATNet, Liu et al. 2021).

    k and a make one channel. The softmax runs over the pixels, so m sees one vector an image.

    Attributes:
        reduction: channels over those of the vector before m.
    """

    kind: ClassVar[str] = "spatial_context"

    reduction: int = 1

    def __post_init__(self) -> None:
        require(self.reduction > 0, f"spatial_context: reduction must be positive, got {self.reduction}")

    def inner(self, channels: int) -> int:
        """Return the channels of the vector before m."""
        return max(1, channels // self.reduction)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return four 1x1 convolutions with bias."""
        channels, inner = inputs[0].channels, self.inner(inputs[0].channels)
        shapes = {
            "key": (1, channels),
            "value": (inner, channels),
            "mix": (channels, inner),
            "gate": (1, channels),
        }
        found: dict[str, tuple[int, ...]] = {}
        for name, (outputs, given) in shapes.items():
            found |= {f"{name}_weight": (outputs, given, 1, 1), f"{name}_bias": (outputs,)}
        return found

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the convolutions and of the pooling by the softmax."""
        channels, inner = output.channels, self.inner(output.channels)
        return output.pixels * (2 * channels + channels * inner + inner) + inner * channels
