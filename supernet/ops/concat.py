"""All inputs side by side along the channels."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from search_space.ops.concat import Concat
from supernet.ops import Context


def run(op: Concat, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the concatenation."""
    return torch.cat(list(inputs), dim=1)
