"""Selective-kernel fusion: a softmax over the branches for each channel."""

import numpy as np

from search_space.ops.selective import Selective
from supernet.export.onnx_gates import pointwise
from supernet.export.onnx_graph import chain
from supernet.export.onnx_ops import Site


def emit(op: Selective, site: Site) -> str:
    """Return the sum of the branches, each channel weighted."""
    graph, channels = site.graph, site.shapes[0].channels
    pooled = graph.node("GlobalAveragePool", [chain(graph, "Add", site.inputs)])
    slope = graph.constant(site.weights["slope"].reshape(1, 1, 1))
    inner = graph.node("PRelu", [pointwise(site, "squeeze", pooled), slope])
    logits = pointwise(site, "branch", inner)
    shape = graph.constant([0, len(site.inputs), channels, 1], np.int64)
    shares = graph.node("Softmax", [graph.node("Reshape", [logits, shape])], axis=1)  # (B, branches, C, 1)
    weighted = []
    for index, value in enumerate(site.inputs):
        share = graph.node("Gather", [shares, graph.constant(index, np.int64)], axis=1)  # (B, C, 1)
        spread = graph.node("Unsqueeze", [share, graph.constant([3], np.int64)])
        weighted.append(graph.node("Mul", [value, spread]))
    return chain(graph, "Add", weighted)
