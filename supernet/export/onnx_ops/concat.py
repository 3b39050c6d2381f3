"""Concatenation along the channels."""

from search_space.ops.concat import Concat
from supernet.export.onnx_ops import Site


def emit(op: Concat, site: Site) -> str:
    """Return all inputs side by side along the channels."""
    return site.graph.node("Concat", site.inputs, axis=1)
