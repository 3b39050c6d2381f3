"""Channels laid out as pixels."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.pixel_shuffle import PixelShuffle
from supernet.ops import Context


def run(
    op: PixelShuffle, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the larger map, cut to the node's size."""
    made = F.pixel_shuffle(inputs[0], op.factor)
    return made if context.size is None else made[:, :, : context.size[0], : context.size[1]]
