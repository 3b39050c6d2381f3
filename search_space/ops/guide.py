"""RevFP's spatial attention: where the second input is to be looked at, seen from both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.fusion import ElementwiseFusion
from search_space.op import Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Guide(ElementwiseFusion):
    """`second * H * W * softmax(temperature * C**-0.5 * conv [first, second])`, softmax over the pixels.

    RCNet (Zong et al. 2021). The temperature is learned. A constant map leaves the second input as it is.

    Attributes:
        kernel: side of the convolution's square kernel, pixels.
    """

    kind: ClassVar[str] = "guide"

    kernel: int = 3

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return the common shape of exactly two inputs."""
        require(len(inputs) == 2, f"guide: takes two inputs, got {len(inputs)}")
        require(self.kernel > 0 and self.kernel % 2 == 1, f"guide: the kernel must be odd, got {self.kernel}")
        return super().infer(inputs, size)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` (1, 2 * channels, kernel, kernel), `bias` (1,) and `temperature` (1,)."""
        seen = (1, 2 * inputs[0].channels, self.kernel, self.kernel)
        return {"weight": seen, "bias": (1,), "temperature": (1,)}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return the products of the convolution to one channel."""
        return output.pixels * 2 * output.channels * self.kernel**2
