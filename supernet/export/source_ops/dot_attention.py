"""Attention over pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from search_space.ops.dot_attention import DotAttention as Spec
from supernet.export.expression import Value, call


def dot_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the values, mixed for each pixel of the queries by `softmax(q k)`."""
    logits = torch.matmul(queries.flatten(2).transpose(1, 2), keys.flatten(2))
    mixed = torch.matmul(values.flatten(2), logits.softmax(dim=2).transpose(1, 2))
    return mixed.unflatten(2, queries.shape[2:])


def scaled_dot_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return the values, mixed by `softmax(q k / sqrt(channels))`."""
    logits = torch.matmul(queries.flatten(2).transpose(1, 2), keys.flatten(2))
    logits = logits * queries.shape[1] ** -0.5
    mixed = torch.matmul(values.flatten(2), logits.softmax(dim=2).transpose(1, 2))
    return mixed.unflatten(2, queries.shape[2:])


HELPERS = (dot_attention, scaled_dot_attention)


def expression(op: Spec, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of a helper."""
    return call("scaled_dot_attention" if op.scaled else "dot_attention", *operands)
