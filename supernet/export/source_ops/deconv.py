"""`nn.ConvTranspose2d`, cut to the size of the level."""

from collections.abc import Sequence

from torch import Tensor

from search_space.op import Shape
from search_space.ops.deconv import Deconv as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


def cut(x: Tensor, like: Tensor) -> Tensor:
    """Return the upper left part of `x` that is as large as `like`."""
    return x[:, :, : like.shape[2], : like.shape[3]]


HELPERS = (cut,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the transposed convolution."""
    channels = inputs[0].channels
    arguments = (
        Argument("in_channels", channels),
        Argument("out_channels", op.width),
        Argument("kernel_size", op.kernel),
        Argument("stride", op.stride, 1, keyword=True),
        Argument("padding", op.margin, 0, keyword=True),
        Argument("groups", op.grouping(channels), 1, keyword=True),
        Argument("bias", op.bias, True, keyword=True),
    )
    return Layer("enlarge", Call("nn.ConvTranspose2d", arguments), after="cut")
