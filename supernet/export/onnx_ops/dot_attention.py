"""Attention of every pixel to every other."""

import numpy as np

from search_space.ops.dot_attention import DotAttention
from supernet.export.onnx_gates import flattened
from supernet.export.onnx_ops import Site


def emit(op: DotAttention, site: Site) -> str:
    """Return the values, mixed for each query."""
    graph = site.graph
    queries, keys, values = (flattened(site, value) for value in site.inputs)
    logits = graph.node("MatMul", [graph.node("Transpose", [queries], perm=[0, 2, 1]), keys])
    if op.scaled:
        logits = graph.node("Mul", [logits, graph.constant(site.shapes[0].channels ** -0.5)])
    shares = graph.node("Transpose", [graph.node("Softmax", [logits], axis=2)], perm=[0, 2, 1])
    mixed = graph.node("MatMul", [values, shares])  # (B, C, query pixels)
    pixels = graph.constant([site.shapes[2].channels], np.int64)
    batch = graph.node("Unsqueeze", [graph.extent(site.inputs[0], 0), graph.constant([0], np.int64)])
    shape = graph.node("Concat", [batch, pixels, graph.size(site.inputs[0])], axis=0)
    return graph.node("Reshape", [mixed, shape])
