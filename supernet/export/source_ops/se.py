"""Squeeze-and-excitation."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.se import SqueezeExcite as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class SqueezeExcite(nn.Module):
    """Channels weighted by what the whole map holds."""

    def __init__(self, channels: int, squeezed: int, hard: bool = False) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid() if hard else nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, each channel weighted."""
        pooled = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.excite(F.relu(self.squeeze(pooled))))


HELPERS = (SqueezeExcite,)
TENSORS = {
    "squeeze_weight": "squeeze.weight",
    "squeeze_bias": "squeeze.bias",
    "excite_weight": "excite.weight",
    "excite_bias": "excite.bias",
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    arguments = (
        Argument("channels", channels),
        Argument("squeezed", op.squeezed(channels)),
        Argument("hard", op.gate == "hard_sigmoid", False, keyword=True),
    )
    return Layer("attention", Call("SqueezeExcite", arguments), TENSORS)
