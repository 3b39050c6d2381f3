"""The sum of all inputs, from the first to the last."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

from torch import Tensor

from search_space.ops.sum import Sum
from supernet.ops import Context


def run(op: Sum, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the sum."""
    return reduce(add, inputs)
