"""One pixel that gathers a whole map, each of its pixels by a learned share."""

import numpy as np

from search_space.ops.attention_pool import AttentionPool
from supernet.export.onnx_gates import flattened, pointwise
from supernet.export.onnx_ops import Site


def emit(op: AttentionPool, site: Site) -> str:
    """Return the gathered pixel, (B, C, 1, 1)."""
    graph, value = site.graph, site.inputs[0]
    shares = graph.node("Softmax", [flattened(site, pointwise(site, "key", value))], axis=2)
    turned = graph.node("Transpose", [shares], perm=[0, 2, 1])  # (B, pixels, 1)
    gathered = graph.node("MatMul", [flattened(site, value), turned])
    return pointwise(site, "value", graph.node("Unsqueeze", [gathered, graph.constant([3], np.int64)]))
