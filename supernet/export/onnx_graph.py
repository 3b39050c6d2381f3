"""A small builder of ONNX graphs: unique names, shared initialisers, sizes taken from tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]


class OnnxGraph:
    """Collects nodes and initialisers; every method returns the name of the value that it made."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._taken: dict[str, int] = {}
        self._constants: dict[tuple[str, bytes, tuple[int, ...]], str] = {}
        self._made: dict[tuple[str, str], str] = {}

    def node(self, kind: str, inputs: Sequence[str], hint: str = "", **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        name = self._unique(hint or kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any, kind: type[np.generic] = np.float32, name: str = "") -> str:
        """Return the name of an initialiser of these values; equal values without a name are stored once."""
        array = np.asarray(values, dtype=kind, order="C")
        key = (array.dtype.str, array.tobytes(), array.shape)
        if name or key not in self._constants:
            unique = self._unique(name or "constant")
            self.initializers.append(numpy_helper.from_array(array, unique))
            if name:
                return unique
            self._constants[key] = unique
        return self._constants[key]

    def shape(self, source: str) -> str:
        """Return the int64 shape of a tensor; made once."""
        return self._once("shape", source, lambda: self.node("Shape", [source], f"{source}.shape"))

    def size(self, source: str) -> str:
        """Return int64 (height, width) of a tensor (B, C, H, W); made once."""
        return self._once("size", source, lambda: self._slice(self.shape(source), 2, 4))

    def extent(self, source: str, axis: int) -> str:
        """Return one int64 scalar of a tensor's shape."""
        return self.node("Gather", [self.shape(source), self.constant(axis, np.int64)], axis=0)

    def resized_shape(self, source: str, size: str) -> str:
        """Return int64 (B, C) of `source` followed by (H, W) of `size`."""
        return self.node("Concat", [self._slice(self.shape(source), 0, 2), size], axis=0)

    def reserve(self, name: str) -> str:
        """Return the name of a value that comes from outside; no node may take it."""
        return self._unique(name)

    def _slice(self, shape: str, start: int, end: int) -> str:
        bounds = [self.constant([value], np.int64) for value in (start, end, 0)]
        return self.node("Slice", [shape, *bounds])

    def _once(self, what: str, source: str, make: Any) -> str:
        key = (what, source)
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _unique(self, name: str) -> str:
        self._taken[name] = count = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"


def chain(graph: OnnxGraph, kind: str, values: Sequence[str]) -> str:
    """Return a left-to-right chain of a two-input operation over all values."""
    result = values[0]
    for value in values[1:]:
        result = graph.node(kind, [result, value])
    return result


Weights = Mapping[str, Array]
"""The tensors of one operation by name: weight, bias, running_mean, running_var ..."""
