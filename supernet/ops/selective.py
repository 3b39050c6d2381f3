"""Selective-kernel fusion."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.selective import Selective
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: Selective, name: str, tensor: Tensor) -> None:
    """As convolutions, the slope 0.25."""
    if name == "slope":
        nn.init.constant_(tensor, 0.25)
    else:
        fill_convolution(name, tensor)


def run(op: Selective, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the sum of the branches, each channel weighted."""
    pooled = reduce(add, inputs).mean((2, 3), keepdim=True)
    inner = F.conv2d(pooled, weights["squeeze_weight"], weights.get("squeeze_bias"))
    inner = F.prelu(inner, weights["slope"])
    logits = F.conv2d(inner, weights["branch_weight"], weights.get("branch_bias"))
    shares = logits.unflatten(1, (len(inputs), -1)).softmax(dim=1)  # (B, branches, C, 1, 1)
    return reduce(add, [x * shares[:, index] for index, x in enumerate(inputs)])
