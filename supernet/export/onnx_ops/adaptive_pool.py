"""Adaptive pooling: global in one node, else windows computed from both sizes when the graph runs.

Window i of `out` over `in` pixels is [floor(i * in / out), ceil((i + 1) * in / out)).
"""

import numpy as np

from search_space.ops.adaptive_pool import AdaptivePool
from supernet.export.onnx_graph import OnnxGraph
from supernet.export.onnx_ops import Site


def emit(op: AdaptivePool, site: Site) -> str:
    """Return the input pooled to one pixel or to the node's size."""
    graph, value = site.graph, site.inputs[0]
    if op.to == "pixel":
        return graph.node("GlobalMaxPool" if op.form == "max" else "GlobalAveragePool", [value])
    for axis in (2, 3):
        target = graph.node("Gather", [site.size(), graph.constant(axis - 2, np.int64)], axis=0)
        value = (_largest if op.form == "max" else _mean)(graph, value, axis, target)
    return value


def _windows(graph: OnnxGraph, extent: str, target: str) -> tuple[str, str]:
    """Return int64 starts and ends (out, 1) of the windows."""
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    index = graph.node("Range", [zero, target, one])
    start = graph.node("Div", [graph.node("Mul", [index, extent]), target])
    reach = graph.node("Mul", [graph.node("Add", [index, one]), extent])
    last = graph.node("Sub", [graph.node("Add", [reach, target]), one])
    column = graph.constant([1], np.int64)
    ends = graph.node("Div", [last, target])
    return graph.node("Unsqueeze", [start, column]), graph.node("Unsqueeze", [ends, column])


def _largest(graph: OnnxGraph, value: str, axis: int, target: str) -> str:
    """Gather each window, its last pixel repeated to the widest window's length, and reduce it."""
    start, end = _windows(graph, graph.extent(value, axis), target)
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    widest = graph.node("ReduceMax", [graph.node("Sub", [end, start])], keepdims=0)
    offsets = graph.node("Range", [zero, widest, one])
    index = graph.node("Min", [graph.node("Add", [start, offsets]), graph.node("Sub", [end, one])])
    gathered = graph.node("Gather", [value, index], axis=axis)  # (..., out, widest, ...)
    return graph.node("ReduceMax", [gathered], axes=[axis + 1], keepdims=0)


def _mean(graph: OnnxGraph, value: str, axis: int, target: str) -> str:
    """Multiply by a matrix whose row i is 1 / length inside window i."""
    extent = graph.extent(value, axis)
    start, end = _windows(graph, extent, target)
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    pixel = graph.node("Range", [zero, extent, one])
    inside = graph.node(
        "And", [graph.node("GreaterOrEqual", [pixel, start]), graph.node("Less", [pixel, end])]
    )
    length = graph.node("Cast", [graph.node("Sub", [end, start])], to=1)
    rows = graph.node("Div", [graph.node("Cast", [inside], to=1), length])  # (out, in)
    if axis == 2:
        return graph.node("MatMul", [rows, value])
    return graph.node("MatMul", [value, graph.node("Transpose", [rows], perm=[1, 0])])
