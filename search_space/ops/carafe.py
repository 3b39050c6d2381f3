"""CARAFE: upsampling by kernels that the content predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Carafe(Op):
    """Content-aware reassembly of features to twice the size (Wang et al. 2019), cut to the node's size.

    Attributes:
        kernel: side of the reassembled window, k_up, odd.
        encoder_kernel: side of the kernel that predicts the weights, k_enc, odd.
        inner: channels that the weights are predicted from, C_m.
    """

    kind: ClassVar[str] = "carafe"
    export_safe: ClassVar[bool] = False

    kernel: int = 5
    encoder_kernel: int = 3
    inner: int = 64

    def __post_init__(self) -> None:
        odd = self.kernel % 2 == self.encoder_kernel % 2 == 1 and min(self.kernel, self.encoder_kernel) > 0
        require(odd, f"carafe: kernels must be odd and positive, got {self.kernel} and {self.encoder_kernel}")
        require(self.inner > 0, f"carafe: inner must be positive, got {self.inner}")

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the input's channels at the node's size, which must be the next finer one."""
        shape = inputs[0]
        size = size or (2 * shape.height, 2 * shape.width)
        halved = tuple(-(-extent // 2) for extent in size)
        require(
            halved == shape.size,
            f"carafe: doubles {shape.height} x {shape.width} pixels, that is not {size[0]} x {size[1]}",
        )
        return Shape(shape.channels, *size)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return the compressing 1x1 and the encoding convolution, both with bias."""
        outputs = 4 * self.kernel**2
        return {
            "compress_weight": (self.inner, inputs[0].channels, 1, 1),
            "compress_bias": (self.inner,),
            "encode_weight": (outputs, self.inner, self.encoder_kernel, self.encoder_kernel),
            "encode_bias": (outputs,),
        }

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of both convolutions and of the reassembly."""
        shape = inputs[0]
        encode = 4 * self.kernel**2 * self.inner * self.encoder_kernel**2
        reassemble = 4 * self.kernel**2 * shape.channels
        return shape.pixels * (shape.channels * self.inner + encode + reassemble)
