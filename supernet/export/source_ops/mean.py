"""The mean of all inputs."""

from collections.abc import Sequence

from search_space.op import Op
from supernet.export.expression import Infix, Value


def expression(op: Op, operands: Sequence[Value], like: Value | None) -> Value:
    """Return `(a + b) / 2`."""
    if len(operands) == 1:
        return operands[0]
    return Infix("/", (Infix("+", tuple(operands)), len(operands)))
