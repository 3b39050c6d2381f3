"""Batch normalisation by the statistics of several tensors together."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.ops.set_norm import SetNorm
from supernet.initialisation import fill_norm
from supernet.ops import Context


def initialise(op: SetNorm, name: str, tensor: Tensor) -> None:
    """As a norm."""
    fill_norm(name, tensor)


def run(op: SetNorm, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the first input, normalised; in training the running statistics are updated in place."""
    first = inputs[0]
    mean, var = weights["running_mean"], weights["running_var"]
    scale, shift = weights["weight"], weights["bias"]
    if not context.training:
        return F.batch_norm(first, mean, var, scale, shift, False, 0.0, op.eps)
    # (1, C, pixels of all inputs of all images, 1)
    pixels = torch.cat([x.movedim(1, 0).flatten(1) for x in inputs], dim=1)[None, :, :, None]
    momentum = op.momentum if context.momentum is None else context.momentum
    if not op.updates:
        mean, var = mean.clone(), var.clone()
    made = F.batch_norm(pixels, mean, var, scale, shift, True, momentum, op.eps)
    batch, channels, height, width = first.shape
    own = made[0, :, : batch * height * width, 0].view(channels, batch, height, width)
    return own.movedim(1, 0)
