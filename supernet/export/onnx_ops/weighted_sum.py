"""A weighted sum whose normalised weights are folded into constants."""

import numpy as np

from search_space.ops.weighted_sum import WeightedSum
from supernet.export.onnx_graph import Array, chain
from supernet.export.onnx_ops import Site


def emit(op: WeightedSum, site: Site) -> str:
    """Return the sum of the inputs, each by its normalised weight."""
    graph = site.graph
    shares = _normalised(op, site.weights["weight"].astype(np.float64))
    scaled = [
        graph.node("Mul", [name, graph.constant(share)])
        for name, share in zip(site.inputs, shares, strict=True)
    ]
    return chain(graph, "Add", scaled)


def _normalised(op: WeightedSum, weight: Array) -> Array:
    if op.form == "softmax":
        powers = np.exp(weight - weight.max())
        return np.asarray(powers / powers.sum())
    positive = np.maximum(weight, 0)
    return np.asarray(positive / (positive.sum() + op.eps))
