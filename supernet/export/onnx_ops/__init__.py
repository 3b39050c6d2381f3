"""How each operation is written in ONNX: the file names are the registry, one operation a file.

Each module offers `emit(op, site) -> str`: it adds nodes to `site.graph` and returns the name of the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from search_space.op import Op, Shape
from supernet.export.onnx_graph import Array, OnnxGraph


@dataclass(frozen=True)
class Site:
    """Where an operation stands while it is written.

    Attributes:
        inputs: names of the values that it reads.
        shapes: their shapes at some image size; only the channels hold at every size.
        weights: its tensors by name.
        sized: whether the node's level has a size before this operation runs.
        size: gives the name of int64 (height, width) of the node's level.
        path: the operation's readable name, which its initialisers carry.
        tensor: stores a tensor as an initialiser, once for tied operations, and returns its name.
    """

    graph: OnnxGraph
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    weights: dict[str, Array]
    sized: bool
    size: Callable[[], str]
    path: str
    tensor: Callable[[str], str]


Emit = Callable[[Any, Site], str]


@cache
def names() -> tuple[str, ...]:
    """Return the kinds of operations that can be written, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def emitter(op: Op) -> Emit | None:
    """Return what writes this kind of operation, or None where no file does."""
    if op.kind not in names():
        return None
    emit: Emit = import_module(f"{__name__}.{op.kind}").emit
    return emit
