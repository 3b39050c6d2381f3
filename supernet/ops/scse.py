"""Concurrent spatial and channel squeeze-and-excitation."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.scse import SpatialChannelExcite
from supernet.initialisation import fill_convolution
from supernet.ops import Context
from supernet.ops.se import channel_gate


def initialise(op: SpatialChannelExcite, name: str, tensor: Tensor) -> None:
    """As convolutions."""
    fill_convolution(name, tensor)


def run(
    op: SpatialChannelExcite, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the input weighted by channel plus the input weighted by pixel."""
    (x,) = inputs
    spatial = F.conv2d(x, weights["spatial_weight"], weights["spatial_bias"]).sigmoid()
    return x * channel_gate(x, weights, hard=False) + x * spatial
