"""All inputs side by side along the channels."""

from collections.abc import Sequence

from search_space.op import Op
from supernet.export.expression import Listing, Value, call


def expression(op: Op, operands: Sequence[Value], like: Value | None) -> Value:
    """Return `torch.cat`."""
    if len(operands) == 1:
        return operands[0]
    return call("torch.cat", Listing(tuple(operands)), dim=1)
