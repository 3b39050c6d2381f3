"""Normalisation of each pixel's vector of channels."""

from search_space.ops.l2_norm import L2Norm
from supernet.export.onnx_ops import Site


def emit(op: L2Norm, site: Site) -> str:
    """Return the normalised input."""
    graph, value = site.graph, site.inputs[0]
    length = graph.node(
        "Add", [graph.node("ReduceL2", [value], axes=[1], keepdims=1), graph.constant(op.eps)]
    )
    scale = graph.constant(site.weights["weight"].reshape(-1, 1, 1))
    return graph.node("Mul", [graph.node("Div", [value, length]), scale])
