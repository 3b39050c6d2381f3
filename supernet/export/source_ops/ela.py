"""Efficient local attention."""

from collections.abc import Sequence

from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.ela import EfficientLocalAttention as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


def row_convolution(channels: int, kernel: int) -> nn.Conv1d:
    """Return a convolution along a line, each channel by itself."""
    pad = kernel // 2
    return nn.Conv1d(channels, channels, kernel, padding=pad, groups=channels, bias=False)


class EfficientLocalAttention(nn.Module):
    """Rows and columns weighted by their own means and their neighbours'."""

    def __init__(self, channels: int, kernel: int, groups: int, eps: float) -> None:
        super().__init__()
        self.height = row_convolution(channels, kernel)
        self.height_norm = nn.GroupNorm(groups, channels, eps)
        self.width = row_convolution(channels, kernel)
        self.width_norm = nn.GroupNorm(groups, channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, each row and each column weighted."""
        rows = self.height_norm(self.height(x.mean(3))).sigmoid().unsqueeze(3)
        columns = self.width_norm(self.width(x.mean(2))).sigmoid().unsqueeze(2)
        return x * rows * columns


HELPERS = (
    row_convolution,
    EfficientLocalAttention,
)
_TENSORS = {
    f"{axis}_{name}": f"{axis}{place}"
    for axis in ("height", "width")
    for name, place in (("weight", ".weight"), ("norm_weight", "_norm.weight"), ("norm_bias", "_norm.bias"))
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    arguments = (
        Argument("channels", inputs[0].channels),
        Argument("kernel", op.kernel),
        Argument("groups", op.groups),
        Argument("eps", op.eps),
    )
    return Layer("attention", Call("EfficientLocalAttention", arguments), _TENSORS)
