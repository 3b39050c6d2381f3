"""A context that each pixel gathers from all levels."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.scale_context import ScaleContext
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: ScaleContext, name: str, tensor: Tensor) -> None:
    """As convolutions."""
    fill_convolution(name, tensor)


def run(
    op: ScaleContext, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the context, `(B, C, H, W)`."""
    keys = [F.conv2d(x, weights["key_weight"], weights["key_bias"]) for x in inputs]
    shares = torch.cat(keys, dim=1).softmax(dim=1)  # (B, inputs, H, W)
    gathered = reduce(add, [x * shares[:, index : index + 1] for index, x in enumerate(inputs)])
    return F.conv2d(gathered, weights["value_weight"], weights["value_bias"])
