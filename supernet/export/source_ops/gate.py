"""NAS-FPN's global-pooling gate."""

from collections.abc import Sequence

import torch
from torch import Tensor

from search_space.ops.gate import Gate
from supernet.export.expression import Value, call


def gate_by_max(first: Tensor, second: Tensor) -> Tensor:
    """Return `first` plus `second`, gated by the global maxima of `first`."""
    return first + torch.sigmoid(first.amax((2, 3), keepdim=True)) * second


def gate_by_average(first: Tensor, second: Tensor) -> Tensor:
    """Return `first` plus `second`, gated by the global means of `first`."""
    return first + torch.sigmoid(first.mean((2, 3), keepdim=True)) * second


HELPERS = (gate_by_max, gate_by_average)


def expression(op: Gate, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of a helper."""
    return call("gate_by_max" if op.form == "max" else "gate_by_average", *operands)
