"""RevFP's spatial attention."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.guide import Guide
from supernet.ops import Context


def initialise(op: Guide, name: str, tensor: Tensor) -> None:
    """Small weights, no bias, a temperature of one: every pixel counts about the same at first."""
    if name == "weight":
        nn.init.normal_(tensor, std=0.01)
    elif name == "temperature":
        nn.init.ones_(tensor)
    else:
        nn.init.zeros_(tensor)


def run(op: Guide, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the second input, weighted pixel by pixel."""
    first, second = inputs
    logits = F.conv2d(
        torch.cat([first, second], dim=1), weights["weight"], weights["bias"], padding=op.kernel // 2
    )
    scaled = logits.flatten(2) * (weights["temperature"] * first.shape[1] ** -0.5)
    shares = torch.softmax(scaled, dim=2).view_as(logits)
    return second * shares * (logits.shape[2] * logits.shape[3])
