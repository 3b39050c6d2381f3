"""What all maps hold together, weighted pixel by pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.scale_context import ScaleContext as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class ScaleContext(nn.Module):
    """`value(sum of x * softmax(key x))`, the softmax over the maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, 1, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the context, `(B, C, H, W)`."""
        keys = [self.key(x) for x in tensors]
        shares = torch.cat(keys, dim=1).softmax(dim=1)  # (B, maps, H, W)
        gathered = tensors[0] * shares[:, :1]
        for index, x in enumerate(tensors[1:], start=1):
            gathered = gathered + x * shares[:, index : index + 1]
        return self.value(gathered)


HELPERS = (ScaleContext,)
_TENSORS = {
    f"{name}_{tensor}": f"{name}.{tensor}" for name in ("key", "value") for tensor in ("weight", "bias")
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    return Layer("context", Call("ScaleContext", (Argument("channels", inputs[0].channels),)), _TENSORS)
