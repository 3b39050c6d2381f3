"""Efficient channel attention: the one-dimensional convolution runs over a row of channels."""

import numpy as np

from search_space.ops.eca import EfficientChannelAttention
from supernet.export.onnx_gates import mean_over
from supernet.export.onnx_ops import Site


def emit(op: EfficientChannelAttention, site: Site) -> str:
    """Return the input, each channel weighted."""
    graph, value, half = site.graph, site.inputs[0], op.kernel // 2
    line = mean_over(site, value, 2, 3, keep=False)
    row = graph.node("Unsqueeze", [line, graph.constant([1], np.int64)])  # (B, 1, C)
    gate = graph.node("Sigmoid", [graph.node("Conv", [row, site.tensor("weight")], pads=[half, half])])
    column = graph.node("Transpose", [gate], perm=[0, 2, 1])  # (B, C, 1)
    spread = graph.node("Unsqueeze", [column, graph.constant([3], np.int64)])
    return graph.node("Mul", [value, spread])
