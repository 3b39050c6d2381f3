"""`nn.Conv2d`, or `SameConv2d` where the padding follows TensorFlow."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.conv import Conv
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


def same_pad(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad as TensorFlow's SAME does: the odd pixel goes to the right and the bottom."""
    margins: list[int] = []
    for extent in (x.shape[-1], x.shape[-2]):
        total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
        margins += [total // 2, total - total // 2]
    return F.pad(x, margins, value=value)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `(B, out_channels, ceil(H / stride), ceil(W / stride))`."""
        reach = self.dilation[0] * (self.kernel_size[0] - 1) + 1
        return super().forward(same_pad(x, reach, self.stride[0]))


HELPERS = (same_pad, SameConv2d)
_PADDING_MODES = {"zeros": "zeros", "same": "zeros", "replicate": "replicate", "none": "zeros"}


def layer(op: Conv, inputs: Sequence[Shape]) -> Layer:
    """Return the convolution with the name that its shape gives it."""
    channels = inputs[0].channels
    groups = op.grouping(channels)
    arguments = (
        Argument("in_channels", channels),
        Argument("out_channels", op.width),
        Argument("kernel_size", op.kernel),
        Argument("stride", op.stride, 1, keyword=True),
        Argument("padding", op.margin, 0, keyword=True),
        Argument("dilation", op.dilation, 1, keyword=True),
        Argument("groups", groups, 1, keyword=True),
        Argument("bias", op.bias, True, keyword=True),
        Argument("padding_mode", _PADDING_MODES[op.padding], "zeros", keyword=True),
    )
    return Layer(
        _role(op, groups, channels), Call("SameConv2d" if op.padding == "same" else "nn.Conv2d", arguments)
    )


def _role(op: Conv, groups: int, channels: int) -> str:
    if 1 < groups == channels == op.width:
        return "depthwise"
    return "pointwise" if op.kernel == 1 else "conv"
