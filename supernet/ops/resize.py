"""Interpolation to the node's size."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.resize import Resize
from supernet.ops import Context


def run(op: Resize, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the input at the node's size."""
    if op.mode == "nearest":
        return F.interpolate(inputs[0], size=context.size, mode="nearest")
    return F.interpolate(inputs[0], size=context.size, mode="bilinear", align_corners=op.align_corners)
