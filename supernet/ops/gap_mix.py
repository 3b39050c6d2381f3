"""RevFP's mix of two inputs by a gate that sees both globally."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.gap_mix import GapMix
from supernet.ops import Context


def initialise(op: GapMix, name: str, tensor: Tensor) -> None:
    """Small weights and no bias: both inputs count about the same at first."""
    if name == "weight":
        nn.init.normal_(tensor, std=0.01)
    else:
        nn.init.zeros_(tensor)


def run(op: GapMix, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the mix."""
    first, second = inputs
    pooled = torch.cat([x.mean((2, 3), keepdim=True) for x in inputs], dim=1)
    share = torch.sigmoid(F.conv2d(pooled, weights["weight"], weights["bias"]))
    return share * first + (1 - share) * second
