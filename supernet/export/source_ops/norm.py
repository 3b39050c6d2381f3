"""`nn.BatchNorm2d`, `nn.SyncBatchNorm`, `nn.GroupNorm`, or a batch norm whose statistics stay."""

from collections.abc import Sequence

from torch import nn

from search_space.op import Shape
from search_space.ops.norm import Norm
from supernet.export.expression import Argument, Call
from supernet.export.source_ops import Layer


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """A batch norm whose statistics never change."""

    def train(self, mode: bool = True) -> "FrozenBatchNorm2d":
        """Stay in evaluation mode."""
        super().train(False)
        return self


HELPERS = (FrozenBatchNorm2d,)
_CLASSES = {"batch": "nn.BatchNorm2d", "sync": "nn.SyncBatchNorm", "frozen": "FrozenBatchNorm2d"}


def layer(op: Norm, inputs: Sequence[Shape]) -> Layer:
    """Return the norm."""
    channels = inputs[0].channels
    eps = Argument("eps", op.eps, 1e-5, keyword=True)
    if op.form == "group":
        arguments = (Argument("num_groups", op.groups), Argument("num_channels", channels), eps)
        return Layer("norm", Call("nn.GroupNorm", arguments))
    momentum = Argument("momentum", op.momentum, 0.1, keyword=True)
    return Layer("norm", Call(_CLASSES[op.form], (Argument("num_features", channels), eps, momentum)))
