"""BiFPN's fusion with one learned weight an input."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.weighted_sum import WeightedSum
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class FastNormalisedSum(nn.Module):
    """A sum whose learned weights are positive and add up to one (EfficientDet)."""

    def __init__(self, inputs: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))
        self.eps = eps

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the weighted sum of tensors of one shape."""
        positive = F.relu(self.weight)
        shares = positive / (positive.sum() + self.eps)
        total = tensors[0] * shares[0]
        for x, share in zip(tensors[1:], shares[1:], strict=True):
            total = total + x * share
        return total


class SoftmaxSum(nn.Module):
    """A sum whose weights are the softmax of learned numbers."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the weighted sum of tensors of one shape."""
        shares = torch.softmax(self.weight, dim=0)
        total = tensors[0] * shares[0]
        for x, share in zip(tensors[1:], shares[1:], strict=True):
            total = total + x * share
        return total


HELPERS = (FastNormalisedSum, SoftmaxSum)


def layer(op: WeightedSum, inputs: Sequence[Shape]) -> Layer:
    """Return the module that holds the weights."""
    count = Argument("inputs", len(inputs))
    if op.form == "softmax":
        return Layer("fuse", Call("SoftmaxSum", (count,)))
    return Layer("fuse", Call("FastNormalisedSum", (count, Argument("eps", op.eps, 1e-4, keyword=True))))
