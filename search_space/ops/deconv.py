"""A transposed convolution, cut to the size of the node's level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from search_space.op import Op, Shape, Size, require


@dataclass(frozen=True, kw_only=True)
class Deconv(Op):
    """A transposed convolution from any number of channels to `width`.

    Attributes:
        width: output channels.
        kernel: side of the square kernel, pixels, of the stride's parity and no smaller.
        stride: output pixels for one input pixel.
        groups: 1 is dense; 0 stands for depthwise.
        bias: whether a bias is added.
    """

    kind: ClassVar[str] = "deconv"

    width: int
    kernel: int = 4
    stride: int = 2
    groups: int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        require(self.width > 0 < self.stride, "deconv: width and stride must be positive")
        require(self.groups >= 0, f"deconv: groups must not be negative, got {self.groups}")
        require(
            self.kernel >= self.stride and (self.kernel - self.stride) % 2 == 0,
            f"deconv: a kernel of {self.kernel} cannot be centred on a stride of {self.stride}",
        )

    def grouping(self, channels: int) -> int:
        """Return the number of groups for that many input channels."""
        return self.groups or channels

    @property
    def margin(self) -> int:
        """Pixels cut from each side, so that the output is `stride` times the input."""
        return (self.kernel - self.stride) // 2

    def infer(self, inputs: Sequence[Shape], size: Size | None) -> Shape:
        """Return `width` channels at `stride` times the size, or at the node's where that is smaller."""
        shape, groups = inputs[0], self.grouping(inputs[0].channels)
        require(
            shape.channels % groups == 0 and self.width % groups == 0,
            f"deconv: {groups} groups do not divide {shape.channels} input and {self.width} output channels",
        )
        return cut(self.kind, Shape(self.width, shape.height * self.stride, shape.width * self.stride), size)

    def weights(self, inputs: Sequence[Shape]) -> Mapping[str, tuple[int, ...]]:
        """Return `weight` (channels, width / groups, kernel, kernel) and, with a bias, `bias` (width,)."""
        channels = inputs[0].channels
        weight = (channels, self.width // self.grouping(channels), self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.width,)} if self.bias else {"weight": weight}

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Return one product for each tap and input pixel."""
        shape = inputs[0]
        return shape.pixels * shape.channels * (self.width // self.grouping(shape.channels)) * self.kernel**2


def cut(kind: str, made: Shape, size: Size | None) -> Shape:
    """Return `made` cut to the node's `size`.

    Raises:
        InvalidArchitecture: the node is larger than what was made.
    """
    if size is None:
        return made
    require(
        made.height >= size[0] and made.width >= size[1],
        f"{kind}: makes {made.height} x {made.width} pixels, the level has {size[0]} x {size[1]}",
    )
    return Shape(made.channels, *size)
