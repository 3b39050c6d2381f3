"""The mean of all inputs."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

from torch import Tensor

from search_space.ops.mean import Mean
from supernet.ops import Context


def run(op: Mean, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the mean."""
    return reduce(add, inputs) / len(inputs)
