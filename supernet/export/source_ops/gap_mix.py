"""RevFP's mix of two inputs by a gate that sees both globally."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.gap_mix import GapMix as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class GapMix(nn.Module):
    """`w * first + (1 - w) * second`, `w` from the global means of both."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, outputs, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mix."""
        pooled = [x.mean((2, 3), keepdim=True) for x in (first, second)]
        share = torch.sigmoid(self.mix(torch.cat(pooled, dim=1)))
        return share * first + (1 - share) * second


HELPERS = (GapMix,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    outputs = channels if op.per == "channel" else 1
    arguments = (Argument("channels", channels), Argument("outputs", outputs))
    return Layer("mix", Call("GapMix", arguments), {"weight": "mix.weight", "bias": "mix.bias"})
