"""RevFP's spatial attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_space.op import Shape
from search_space.ops.guide import Guide as Spec
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class Guide(nn.Module):
    """The second input, weighted pixel by pixel by what both hold."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(2 * channels, 1, kernel, padding=kernel // 2)
        self.temperature = nn.Parameter(torch.ones(1))
        self.scale = channels**-0.5

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the second input times `H * W` shares that add up to one."""
        logits = self.see(torch.cat([first, second], dim=1))
        shares = torch.softmax(logits.flatten(2) * (self.temperature * self.scale), dim=2).view_as(logits)
        return second * shares * (logits.shape[2] * logits.shape[3])


HELPERS = (Guide,)


def layer(op: Spec, inputs: Sequence[Shape]) -> Layer:
    """Return the module."""
    arguments = (Argument("channels", inputs[0].channels), Argument("kernel", op.kernel))
    tensors = {"weight": "see.weight", "bias": "see.bias", "temperature": "temperature"}
    return Layer("guide", Call("Guide", arguments), tensors)
