"""Some of the channels."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from search_space.ops.slice import Slice
from supernet.ops import Context


def run(op: Slice, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the channels."""
    return inputs[0][:, op.start : op.start + op.width]
