"""A sum with one learned, normalised weight an input."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.weighted_sum import WeightedSum
from supernet.ops import Context


def initialise(op: WeightedSum, name: str, tensor: Tensor) -> None:
    """All inputs count the same at first."""
    nn.init.ones_(tensor)


def run(op: WeightedSum, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the weighted sum."""
    raw = weights["weight"]
    if op.form == "softmax":
        shares = torch.softmax(raw, dim=0)
    else:
        positive = F.relu(raw)
        shares = positive / (positive.sum() + op.eps)
    return reduce(add, [x * shares[index] for index, x in enumerate(inputs)])
