"""How each operation is written in plain PyTorch: one operation a file, whose names are the registry.

A file offers one or both of

- `layer(op, inputs) -> Layer`: the module that holds the operation's tensors, or stands in a sequence;
- `expression(op, operands, like) -> Value`: an expression; `like` is a tensor of the node's size.

Helpers that the written code needs are real functions and classes of the file, listed in its `HELPERS`:
their own text ends up in `neck.py`, so they are formatted for 88 columns and use torch alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from search_space.op import Op, Shape
from supernet.export.expression import Argument, Call, Value

Helper = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A module that holds one operation.

    Attributes:
        role: what it is called within a block: conv, depthwise, norm, act ...
        call: its constructor, every argument given.
        tensors: where the module keeps the operation's tensors, where the names differ.
        after: a helper that brings the module's output to the node's size, where the level has one.
        keywords: further arguments of the module's call.
    """

    role: str
    call: Call
    tensors: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None
    keywords: tuple[Argument, ...] = ()


@cache
def names() -> tuple[str, ...]:
    """Return the kinds of operations that can be written as source, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def _module(kind: str) -> ModuleType:
    return import_module(f"{__name__}.{kind}")


def layer(op: Op, inputs: Sequence[Shape]) -> Layer | None:
    """Return the operation as a module, or None where it is written as an expression only."""
    make = getattr(_module(op.kind), "layer", None)
    return None if make is None else make(op, inputs)


def expression(op: Op, operands: Sequence[Value], like: Value | None) -> Value:
    """Return the operation as an expression; `like` is None where the level has no tensor yet."""
    return _module(op.kind).expression(op, operands, like)


def helpers(kind: str) -> tuple[Helper, ...]:
    """Return the functions and classes that the written operation may call."""
    return tuple(getattr(_module(kind), "HELPERS", ()))


@cache
def helper_names() -> frozenset[str]:
    """Return the names of all helpers, which no local variable may hide."""
    return frozenset(helper.__name__ for kind in names() for helper in helpers(kind))
