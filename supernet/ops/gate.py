"""NAS-FPN's global-pooling gate."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from search_space.ops.gate import Gate
from supernet.ops import Context


def run(op: Gate, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the first input plus the second times the gate of the first."""
    first, second = inputs
    pooled = first.amax((2, 3), keepdim=True) if op.form == "max" else first.mean((2, 3), keepdim=True)
    return first + torch.sigmoid(pooled) * second
