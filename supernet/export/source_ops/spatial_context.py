"""Each pixel plus its part of the whole map's context."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.spatial_context import SpatialContext as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class SpatialContext(nn.Module):
    """`x + mix(value x . softmax(key x)) * sigmoid(gate x)`."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, 1, 1)
        self.value = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Conv2d(inner, channels, 1)
        self.gate = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map with its context."""
        shares = self.key(x).flatten(2).softmax(dim=2)  # (B, 1, pixels)
        vector = torch.matmul(self.value(x).flatten(2), shares.transpose(1, 2))
        return x + self.mix(vector.unsqueeze(3)) * self.gate(x).sigmoid()


HELPERS = (SpatialContext,)
_TENSORS = {
    f"{name}_{tensor}": f"{name}.{tensor}"
    for name in ("key", "value", "mix", "gate")
    for tensor in ("weight", "bias")
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    arguments = (Argument("channels", channels), Argument("inner", op.inner(channels)))
    return Layer("context", Call("SpatialContext", arguments), _TENSORS)
