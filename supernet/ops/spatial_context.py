"""A global context that each pixel takes as much of as it needs."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.spatial_context import SpatialContext
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: SpatialContext, name: str, tensor: Tensor) -> None:
    """As convolutions."""
    fill_convolution(name, tensor)


def run(
    op: SpatialContext, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input plus each pixel's part of the context."""
    (x,) = inputs

    def conv(name: str, y: Tensor) -> Tensor:
        return F.conv2d(y, weights[f"{name}_weight"], weights[f"{name}_bias"])

    shares = conv("key", x).flatten(2).softmax(dim=2)  # (B, 1, pixels)
    vector = torch.matmul(conv("value", x).flatten(2), shares.transpose(1, 2)).unsqueeze(3)
    return x + conv("mix", vector) * conv("gate", x).sigmoid()
