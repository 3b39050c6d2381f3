"""A chain of products."""

from search_space.ops.product import Product
from supernet.export.onnx_graph import chain
from supernet.export.onnx_ops import Site


def emit(op: Product, site: Site) -> str:
    """Return the element-wise product of all inputs."""
    return chain(site.graph, "Mul", site.inputs)
