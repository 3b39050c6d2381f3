"""Interpolation to the size of the node's level, read from a tensor when the graph runs."""

from search_space.ops.resize import Resize
from supernet.export.onnx_ops import Site


def emit(op: Resize, site: Site) -> str:
    """Return the input at the node's size."""
    graph, value = site.graph, site.inputs[0]
    sizes = graph.resized_shape(value, site.size())
    if op.mode == "nearest":
        attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
    else:
        corners = "align_corners" if op.align_corners else "half_pixel"
        attributes = {"mode": "linear", "coordinate_transformation_mode": corners}
    return graph.node("Resize", [value, "", "", sizes], **attributes)
