"""One pixel that gathers a whole map, each of its pixels by a learned share."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.attention_pool import AttentionPool
from supernet.initialisation import fill_convolution
from supernet.ops import Context


def initialise(op: AttentionPool, name: str, tensor: Tensor) -> None:
    """As convolutions."""
    fill_convolution(name, tensor)


def run(
    op: AttentionPool, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
) -> Tensor:
    """Return the gathered pixel, `(B, C, 1, 1)`."""
    (x,) = inputs
    shares = F.conv2d(x, weights["key_weight"], weights["key_bias"]).flatten(2).softmax(dim=2)
    gathered = torch.matmul(x.flatten(2), shares.transpose(1, 2)).unsqueeze(3)  # (B, C, 1, 1)
    return F.conv2d(gathered, weights["value_weight"], weights["value_bias"])
