"""One pixel that gathers a whole map, each of its pixels by a learned share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.attention_pool import AttentionPool as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class AttentionPool(nn.Module):
    """`value(sum of x * softmax(key x))`, sum and softmax over the pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, 1, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gathered pixel, `(B, C, 1, 1)`."""
        shares = self.key(x).flatten(2).softmax(dim=2)  # (B, 1, pixels)
        return self.value(torch.matmul(x.flatten(2), shares.transpose(1, 2)).unsqueeze(3))


HELPERS = (AttentionPool,)
_TENSORS = {
    f"{name}_{tensor}": f"{name}.{tensor}" for name in ("key", "value") for tensor in ("weight", "bias")
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    return Layer("context", Call("AttentionPool", (Argument("channels", inputs[0].channels),)), _TENSORS)
