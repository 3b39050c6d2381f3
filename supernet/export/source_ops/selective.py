"""Selective-kernel fusion."""

from collections.abc import Sequence

from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.selective import Selective as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class SelectiveSum(nn.Module):
    """A sum whose weights a softmax over the inputs gives, for each channel."""

    def __init__(self, channels: int, squeezed: int, inputs: int, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=bias)
        self.slope = nn.PReLU()
        self.branch = nn.Conv2d(squeezed, inputs * channels, 1, bias=bias)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the weighted sum of tensors of one shape."""
        total = tensors[0]
        for x in tensors[1:]:
            total = total + x
        pooled = total.mean((2, 3), keepdim=True)
        logits = self.branch(self.slope(self.squeeze(pooled)))
        shares = logits.unflatten(1, (len(tensors), -1)).softmax(dim=1)
        made = tensors[0] * shares[:, 0]
        for index, x in enumerate(tensors[1:], start=1):
            made = made + x * shares[:, index]
        return made


HELPERS = (SelectiveSum,)
_TENSORS = {
    "squeeze_weight": "squeeze.weight",
    "squeeze_bias": "squeeze.bias",
    "slope": "slope.weight",
    "branch_weight": "branch.weight",
    "branch_bias": "branch.bias",
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    arguments = (
        Argument("channels", channels),
        Argument("squeezed", op.squeezed(channels)),
        Argument("inputs", len(inputs)),
        Argument("bias", op.bias, keyword=True),
    )
    return Layer("select", Call("SelectiveSum", arguments), _TENSORS)
