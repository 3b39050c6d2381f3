"""A global context that each pixel takes as much of as it needs."""

import numpy as np

from search_space.ops.spatial_context import SpatialContext
from supernet.export.onnx_gates import flattened, pointwise
from supernet.export.onnx_ops import Site


def emit(op: SpatialContext, site: Site) -> str:
    """Return the input plus each pixel's part of the context."""
    graph, value = site.graph, site.inputs[0]
    shares = graph.node("Softmax", [flattened(site, pointwise(site, "key", value))], axis=2)
    values = flattened(site, pointwise(site, "value", value))  # (B, c, pixels)
    vector = graph.node("MatMul", [values, graph.node("Transpose", [shares], perm=[0, 2, 1])])
    spread = graph.node("Unsqueeze", [vector, graph.constant([3], np.int64)])  # (B, c, 1, 1)
    gate = graph.node("Sigmoid", [pointwise(site, "gate", value)])
    return graph.node("Add", [value, graph.node("Mul", [pointwise(site, "mix", spread), gate])])
