"""NAS-FPN's gate."""

from search_space.ops.gate import Gate
from supernet.export.onnx_ops import Site


def emit(op: Gate, site: Site) -> str:
    """Return `first + second * sigmoid(global pool of first)`."""
    graph, (first, second) = site.graph, site.inputs
    pooled = graph.node("GlobalMaxPool" if op.form == "max" else "GlobalAveragePool", [first])
    gated = graph.node("Mul", [second, graph.node("Sigmoid", [pooled])])
    return graph.node("Add", [first, gated])
