"""Some of the channels."""

import numpy as np

from search_space.ops.slice import Slice
from supernet.export.onnx_ops import Site


def emit(op: Slice, site: Site) -> str:
    """Return `width` channels from `start` on."""
    bounds = [site.graph.constant([value], np.int64) for value in (op.start, op.start + op.width, 1)]
    return site.graph.node("Slice", [site.inputs[0], *bounds])
