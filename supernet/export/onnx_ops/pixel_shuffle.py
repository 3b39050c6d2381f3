"""Channels laid out as pixels, cut to the size of the node's level."""

from search_space.ops.pixel_shuffle import PixelShuffle
from supernet.export.onnx_gates import cropped
from supernet.export.onnx_ops import Site


def emit(op: PixelShuffle, site: Site) -> str:
    """Return the larger map."""
    made = site.graph.node("DepthToSpace", [site.inputs[0]], blocksize=op.factor, mode="CRD")
    return cropped(site, made) if site.sized else made
