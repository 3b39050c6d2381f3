"""A two-dimensional convolution, plain, grouped or depthwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_space.errors import InvalidArchitecture
from search_space.op import Op, Shape, Size, ceil_div, require, strided

Padding = Literal["zeros", "same", "replicate", "none"]
"""zeros, replicate: symmetric, half the (dilated) kernel; same: TensorFlow's, asymmetric zeros."""


@dataclass(frozen=True, kw_only=True)
class Conv(Op):
    """A convolution from any number of channels to `width`.

    Attributes:
        width: output channels.
        kernel: side of the square kernel, pixels.
        stride: pixels between two windows.
        dilation: pixels between two taps.
        groups: 1 is dense; 0 stands for depthwise, as many groups as channels.
        bias: whether a bias is added.
        padding: see `Padding`.
    """

    kind: ClassVar[str] = "conv"

    width: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    padding: Padding = "zeros"

    def __post_init__(self) -> None:
        require(self.width > 0, f"conv: width must be positive, got {self.width}")
        require(self.kernel > 0, f"conv: kernel must be positive, got {self.kernel}")
        require(
            min(self.stride, self.dilation) > 0 <= self.groups,
            "conv: stride and dilation must be positive, groups not negative",
        )

    def grouping(self, channels: int) -> int:
        """Return the number of groups for that many input channels."""
        return self.groups or channels

    @property
    def margin(self) -> int:
        """Pixels of symmetric padding on each side."""
        return self.dilation * (self.kernel - 1) // 2 if self.padding in ("zeros", "replicate") else 0

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return `width` channels at the strided size."""
        shape = inputs[0]
        groups = self.grouping(shape.channels)
        if shape.channels % groups or self.width % groups:
            raise InvalidArchitecture(
                f"conv: {groups} groups do not divide {shape.channels} input and {self.width} output channels"
            )
        return Shape(self.width, self._extent(shape.height), self._extent(shape.width))

    def _extent(self, extent: int) -> int:
        if self.padding == "same":
            return ceil_div(extent, self.stride)
        return strided(extent, self.kernel, self.stride, self.margin, self.dilation)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` (width, channels / groups, kernel, kernel) and, with a bias, `bias` (width,)."""
        channels = inputs[0].channels
        weight = (self.width, channels // self.grouping(channels), self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.width,)} if self.bias else {"weight": weight}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return one product for each tap and output pixel."""
        channels = inputs[0].channels
        return output.pixels * self.width * (channels // self.grouping(channels)) * self.kernel**2
