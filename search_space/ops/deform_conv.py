"""Deformable convolution: every tap looks where a second convolution tells it to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require, strided


@dataclass(frozen=True, kw_only=True)
class DeformConv(Op):
    """A convolution whose taps are moved by offsets that a 3x3-like convolution of the input predicts.

    Version 1 (Dai et al. 2017) moves taps, version 2 (Zhu et al. 2019) weights them too.

    Attributes:
        width: output channels.
        kernel: side of both square kernels, odd, pixels.
        stride: pixels between two windows.
        groups: channel groups with offsets of their own.
        modulated: version 2: a sigmoid weight for each tap.
        bias: whether a bias is added to the output; the offsets always have one.
        deform: False keeps the tensors of the offsets but does not use them, for one tied to others that do.
    """

    kind: ClassVar[str] = "deform_conv"
    export_safe: ClassVar[bool] = False

    width: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    modulated: bool = False
    bias: bool = False
    deform: bool = True

    def __post_init__(self) -> None:
        require(self.width > 0, f"deform_conv: width must be positive, got {self.width}")
        require(
            self.kernel > 0 and self.kernel % 2 == 1,
            f"deform_conv: the kernel must be odd, got {self.kernel}",
        )
        require(self.stride > 0 < self.groups, "deform_conv: stride and groups must be positive")

    @property
    def offset_channels(self) -> int:
        """Channels of the predicted offsets (and weights)."""
        return self.groups * (3 if self.modulated else 2) * self.kernel**2

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return `width` channels at the strided size."""
        shape, margin = inputs[0], self.kernel // 2
        require(
            shape.channels % self.groups == 0,
            f"deform_conv: {self.groups} groups do not divide {shape.channels} input channels",
        )
        height, width = (strided(extent, self.kernel, self.stride, margin) for extent in shape.size)
        return Shape(self.width, height, width)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the convolution's tensors and those of the offsets."""
        channels = inputs[0].channels
        found: dict[str, tuple[int, ...]] = {
            "weight": (self.width, channels, self.kernel, self.kernel),
            "offset_weight": (self.offset_channels, channels, self.kernel, self.kernel),
            "offset_bias": (self.offset_channels,),
        }
        return {**found, "bias": (self.width,)} if self.bias else found

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of both convolutions; the sampling is not counted."""
        outputs = self.width + (self.offset_channels if self.deform else 0)
        return output.pixels * outputs * inputs[0].channels * self.kernel**2
