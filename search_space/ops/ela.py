"""Efficient local attention: rows and columns weighted by depthwise one-dimensional convolutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class EfficientLocalAttention(Op):
    """`x * gate(row means) * gate(column means)`, gate = sigmoid(GN(depthwise conv1d)) (Xu and Wan 2024).

    Attributes:
        kernel: pixels of the convolutions, odd.
        groups: of the group norm.
        eps: added to the variance.
    """

    kind: ClassVar[str] = "ela"

    kernel: int = 7
    groups: int = 16
    eps: float = 1e-5

    def __post_init__(self) -> None:
        require(self.kernel > 0 and self.kernel % 2 == 1, f"ela: the kernel must be odd, got {self.kernel}")
        require(self.groups > 0, f"ela: groups must be positive, got {self.groups}")

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's shape."""
        channels = inputs[0].channels
        require(channels % self.groups == 0, f"ela: {self.groups} groups do not divide {channels} channels")
        return inputs[0]

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return a convolution and a norm for the rows, and another for the columns."""
        channels = inputs[0].channels
        found: dict[str, tuple[int, ...]] = {}
        for axis in ("height", "width"):
            found[f"{axis}_weight"] = (channels, 1, self.kernel)
            found[f"{axis}_norm_weight"] = (channels,)
            found[f"{axis}_norm_bias"] = (channels,)
        return found

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of both convolutions."""
        return output.channels * self.kernel * (output.height + output.width)
