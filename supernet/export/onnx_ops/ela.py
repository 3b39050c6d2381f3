"""Efficient local attention."""

import numpy as np

from search_space.ops.ela import EfficientLocalAttention
from supernet.export.onnx_gates import mean_over
from supernet.export.onnx_ops import Site


def emit(op: EfficientLocalAttention, site: Site) -> str:
    """Return the input, each row and each column weighted."""
    graph, value = site.graph, site.inputs[0]
    rows = _gate(op, site, mean_over(site, value, 3, keep=False), "height")
    columns = _gate(op, site, mean_over(site, value, 2, keep=False), "width")
    rows = graph.node("Unsqueeze", [rows, graph.constant([3], np.int64)])
    columns = graph.node("Unsqueeze", [columns, graph.constant([2], np.int64)])
    return graph.node("Mul", [graph.node("Mul", [value, rows]), columns])


def _gate(op: EfficientLocalAttention, site: Site, line: str, axis: str) -> str:
    graph, half = site.graph, op.kernel // 2
    channels = site.shapes[0].channels
    seen = graph.node("Conv", [line, site.tensor(f"{axis}_weight")], pads=[half, half], group=channels)
    grouped = graph.node("Reshape", [seen, graph.constant([0, op.groups, -1], np.int64)])
    ones, zeros = graph.constant(np.ones(op.groups)), graph.constant(np.zeros(op.groups))
    normal = graph.node("InstanceNormalization", [grouped, ones, zeros], epsilon=op.eps)
    restored = graph.node("Reshape", [normal, graph.shape(seen)])
    scale, shift = (
        graph.constant(site.weights[f"{axis}_norm_{name}"].reshape(-1, 1)) for name in ("weight", "bias")
    )
    return graph.node("Sigmoid", [graph.node("Add", [graph.node("Mul", [restored, scale]), shift])])
