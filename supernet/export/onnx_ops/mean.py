"""A chain of additions and one scaling."""

from search_space.ops.mean import Mean
from supernet.export.onnx_graph import chain
from supernet.export.onnx_ops import Site


def emit(op: Mean, site: Site) -> str:
    """Return the mean of all inputs."""
    total = chain(site.graph, "Add", site.inputs)
    return site.graph.node("Mul", [total, site.graph.constant(1 / len(site.inputs))])
