"""Attention of every pixel to every other."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from search_space.ops.dot_attention import DotAttention
from supernet.ops import Context


def run(
    op: DotAttention, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the values, mixed for each query."""
    queries, keys, values = (x.flatten(2) for x in inputs)
    logits = torch.matmul(queries.transpose(1, 2), keys)  # (B, query pixels, key pixels)
    if op.scaled:
        logits = logits * queries.shape[1] ** -0.5
    mixed = torch.matmul(values, logits.softmax(dim=2).transpose(1, 2))
    return mixed.view(mixed.shape[0], mixed.shape[1], inputs[0].shape[2], inputs[0].shape[3])
