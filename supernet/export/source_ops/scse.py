"""Concurrent spatial and channel squeeze-and-excitation."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.scse import SpatialChannelExcite as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer
from supernet.export.source_ops.se import TENSORS


class SpatialChannelExcite(nn.Module):
    """The map weighted by channel plus the map weighted by pixel."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.spatial = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both weighted maps."""
        spatial = self.spatial(x).sigmoid()
        pooled = x.mean((2, 3), keepdim=True)
        channel = self.excite(F.relu(self.squeeze(pooled))).sigmoid()
        return x * channel + x * spatial


HELPERS = (SpatialChannelExcite,)
_TENSORS = {
    **TENSORS,
    "spatial_weight": "spatial.weight",
    "spatial_bias": "spatial.bias",
}


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    channels = inputs[0].channels
    arguments = (Argument("channels", channels), Argument("squeezed", op.squeezed(channels)))
    return Layer("attention", Call("SpatialChannelExcite", arguments), _TENSORS)
