"""Some of the channels."""

from collections.abc import Sequence

from torch import Tensor

from search_space.ops.slice import Slice as Spec
from supernet.export.expression import Value, call


def take_channels(x: Tensor, start: int, count: int) -> Tensor:
    """Return `count` channels from `start` on."""
    return x[:, start : start + count]


HELPERS = (take_channels,)


def expression(op: Spec, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the call of a helper."""
    return call("take_channels", operands[0], op.start, op.width)
