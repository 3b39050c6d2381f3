"""What all maps hold together, weighted pixel by pixel by a softmax over the maps."""

import numpy as np

from search_space.ops.scale_context import ScaleContext
from supernet.export.onnx_gates import pointwise
from supernet.export.onnx_graph import chain
from supernet.export.onnx_ops import Site


def emit(op: ScaleContext, site: Site) -> str:
    """Return the context, (B, C, H, W)."""
    graph = site.graph
    keys = [pointwise(site, "key", value) for value in site.inputs]
    shares = graph.node("Softmax", [graph.node("Concat", keys, axis=1)], axis=1)  # (B, maps, H, W)
    weighted = []
    for index, value in enumerate(site.inputs):
        share = graph.node("Gather", [shares, graph.constant([index], np.int64)], axis=1)  # (B, 1, H, W)
        weighted.append(graph.node("Mul", [value, share]))
    return pointwise(site, "value", chain(graph, "Add", weighted))
