"""Batch and group normalisation."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.ops.norm import Norm
from supernet.ops import Context


def initialise(op: Norm, name: str, tensor: Tensor) -> None:
    """Ones for scale and variance, zeros for shift and mean."""
    nn.init.constant_(tensor, 1.0 if name in ("weight", "running_var") else 0.0)


def run(op: Norm, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context) -> Tensor:
    """Return the normalised input; in training the running statistics are updated in place."""
    (x,) = inputs
    if op.form == "group":
        return group_norm(x, op.groups, weights["weight"], weights["bias"], op.eps)
    training = context.training and op.form != "frozen"
    if (
        training
        and op.form == "sync"
        and torch.distributed.is_available()
        and torch.distributed.is_initialized()
    ):
        return _synchronised(op, x, weights, context)
    momentum = op.momentum if context.momentum is None else context.momentum
    mean, var = weights["running_mean"], weights["running_var"]
    return F.batch_norm(x, mean, var, weights["weight"], weights["bias"], training, momentum, op.eps)


def group_norm(x: Tensor, groups: int, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Return `x` normalised by groups of channels; a group of one value becomes its shift.

    torch.nn.functional's refuses one value a group in a batch of one, which a map of one pixel may come to.
    """
    return torch.group_norm(x, groups, scale, shift, eps)


def _synchronised(op: Norm, x: Tensor, weights: Mapping[str, Tensor], context: Context) -> Tensor:
    from torch.distributed.nn.functional import all_reduce

    channels = x.shape[1]
    axes = (0, 2, 3)
    count = x.new_tensor([x.numel() / channels])
    sums = torch.cat([x.sum(axes), x.square().sum(axes), count])
    sums = all_reduce(sums)
    total = sums[-1]
    mean = sums[:channels] / total
    var = sums[channels:-1] / total - mean.square()
    momentum = op.momentum if context.momentum is None else context.momentum
    with torch.no_grad():
        weights["running_mean"].lerp_(mean, momentum)
        weights["running_var"].lerp_(var * total / (total - 1), momentum)
    scale = weights["weight"] * torch.rsqrt(var + op.eps)
    return x * scale[:, None, None] + (weights["bias"] - mean * scale)[:, None, None]
