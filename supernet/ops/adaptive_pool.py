"""Pooling to the node's size or to one pixel."""

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from search_space.ops.adaptive_pool import AdaptivePool
from supernet.ops import Context


def run(
    op: AdaptivePool, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the pooled input."""
    (x,) = inputs
    if op.to == "pixel":
        return x.amax((2, 3), keepdim=True) if op.form == "max" else x.mean((2, 3), keepdim=True)
    assert context.size is not None, "the architecture was validated with a size"
    pool = F.adaptive_max_pool2d if op.form == "max" else F.adaptive_avg_pool2d
    return pool(x, context.size)
