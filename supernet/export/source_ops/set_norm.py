"""A norm over a set of maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.op import Shape
from search_space.ops.set_norm import SetNorm as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class SetNorm(nn.Module):
    """A batch norm by the pixels of several maps together."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.eps, self.momentum = eps, momentum

    def forward(self, first: Tensor, *others: Tensor, updates: bool = True) -> Tensor:
        """Return the first map, normalised; `updates` moves the running statistics."""
        mean, var = self.running_mean, self.running_var
        if not self.training:
            return self._norm(first, mean, var)
        if not updates:
            mean, var = mean.clone(), var.clone()
        # (1, C, pixels of all maps and images, 1)
        pixels = [x.movedim(1, 0).flatten(1) for x in (first, *others)]
        made = self._norm(torch.cat(pixels, dim=1)[None, :, :, None], mean, var)
        batch, channels, height, width = first.shape
        own = made[0, :, : batch * height * width, 0]
        return own.view(channels, batch, height, width).movedim(1, 0)

    def _norm(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale, shift, rate = self.weight, self.bias, self.momentum
        return F.batch_norm(x, mean, var, scale, shift, self.training, rate, self.eps)


HELPERS = (SetNorm,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module; whether it moves the statistics is said at each call."""
    arguments = (
        Argument("channels", inputs[0].channels),
        Argument("eps", op.eps, 1e-5, keyword=True),
        Argument("momentum", op.momentum, 0.1, keyword=True),
    )
    keywords = () if op.updates else (Argument("updates", False, keyword=True),)
    return Layer("norm", Call("SetNorm", arguments), keywords=keywords)
