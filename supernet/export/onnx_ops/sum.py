"""A chain of additions, which runtimes fuse into the convolutions before them."""

from search_space.ops.sum import Sum
from supernet.export.onnx_graph import chain
from supernet.export.onnx_ops import Site


def emit(op: Sum, site: Site) -> str:
    """Return the sum of all inputs."""
    return chain(site.graph, "Add", site.inputs)
