"""Pooling by a moving window with each padding made explicit."""

from typing import Any

import numpy as np

from search_space.ops.pool import Pool
from supernet.export.onnx_graph import OnnxGraph
from supernet.export.onnx_ops import Site


def emit(op: Pool, site: Site) -> str:
    """Return the pooled input."""
    graph, value, half = site.graph, site.inputs[0], op.kernel // 2
    attributes: dict[str, Any] = {}
    if op.padding == "same":
        attributes["auto_pad"] = "SAME_UPPER"
    elif op.padding == "neg_inf" or (op.padding == "zeros" and op.form == "avg"):
        attributes["pads"] = [half] * 4
    elif op.padding == "zeros":
        value = _zero_padded(graph, value, graph.constant([0, 0, half, half] * 2, np.int64))
    elif op.padding == "same_zeros":
        value = _zero_padded(graph, value, _same_pads(graph, value, op))
    if op.form == "avg":
        attributes["count_include_pad"] = int(op.padding != "same")
    kind = "MaxPool" if op.form == "max" else "AveragePool"
    return graph.node(kind, [value], kernel_shape=[op.kernel] * 2, strides=[op.stride] * 2, **attributes)


def _zero_padded(graph: OnnxGraph, value: str, pads: str) -> str:
    # ONNX Runtime merges a zero Pad into the MaxPool after it, which pads with -inf; a Max keeps them apart.
    return graph.node("Max", [graph.node("Pad", [value, pads])])


def _same_pads(graph: OnnxGraph, value: str, op: Pool) -> str:
    """Return TensorFlow's SAME pads (before, after) of both axes, computed from the tensor's size."""
    size, stride = graph.size(value), graph.constant([op.stride], np.int64)
    one, zero = graph.constant([1], np.int64), graph.constant([0, 0], np.int64)
    steps = graph.node("Div", [graph.node("Sub", [size, one]), stride])
    reach = graph.node("Add", [graph.node("Mul", [steps, stride]), graph.constant([op.kernel], np.int64)])
    total = graph.node("Max", [graph.node("Sub", [reach, size]), zero])
    before = graph.node("Div", [total, graph.constant([2], np.int64)])
    return graph.node("Concat", [zero, before, zero, graph.node("Sub", [total, before])], axis=0)
