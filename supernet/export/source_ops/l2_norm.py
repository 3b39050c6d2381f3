"""Length one over the channels, then a learned scale."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.l2_norm import L2Norm as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class L2Norm(nn.Module):
    """Each pixel divided by its length over the channels, times a learned scale."""

    def __init__(self, channels: int, scale: float, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised map."""
        length = x.square().sum(dim=1, keepdim=True).sqrt() + self.eps
        return x / length * self.weight[:, None, None]


HELPERS = (L2Norm,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = Argument("channels", inputs[0].channels)
    return Layer("norm", Call("L2Norm", (channels, Argument("scale", op.scale), Argument("eps", op.eps))))
