"""How each operation of `search_space.ops` runs: one file of the same name each.

Every file offers `run(op, inputs, weights, context)` and, where the op holds tensors,
`initialise(op, name, tensor)`, which fills one tensor in place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from torch import Tensor

from search_space.op import Op, Size


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation may know of its surroundings.

    Attributes:
        size: height and width of the node in pixels; None while its level has no tensor yet.
        training: whether batch statistics are used (and the running ones updated).
        momentum: overrides that of the norms; 1 / n makes the running statistics an average of n batches.
    """

    size: Size | None
    training: bool
    momentum: float | None = None


class Runner(Protocol):
    """What a file under `supernet/ops` offers."""

    def run(
        self, op: Op, inputs: Sequence[Tensor], weights: Mapping[str, Tensor], context: Context
    ) -> Tensor:
        """Return the operation's output, `(B, C, H, W)`."""

    def initialise(self, op: Op, name: str, tensor: Tensor) -> None:
        """Fill the tensor called `name` with its initial values."""


@cache
def runner(kind: str) -> Runner:
    """Return the module that runs operations of `kind`."""
    return cast(Runner, import_module(f"{__name__}.{kind}"))
