"""The element-wise product of all inputs."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import mul

from torch import Tensor

from search_space.ops.product import Product
from supernet.ops import Context


def run(op: Product, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the product."""
    return reduce(mul, inputs)
