"""A convolution; padding that depends on the size is left to the runtime or written as a Pad."""

from typing import Any

import numpy as np

from search_space.ops.conv import Conv
from supernet.export.onnx_ops import Site


def emit(op: Conv, site: Site) -> str:
    """Return the convolved input."""
    value, margin = site.inputs[0], op.margin
    attributes: dict[str, Any] = {"pads": [margin] * 4}
    if op.padding == "same":
        attributes = {"auto_pad": "SAME_UPPER"}
    elif op.padding == "replicate" and margin:
        pads = site.graph.constant([0, 0, margin, margin] * 2, np.int64)
        value, attributes = site.graph.node("Pad", [value, pads], mode="edge"), {}
    tensors = [site.tensor(name) for name in ("weight", "bias") if name in site.weights]
    return site.graph.node(
        "Conv",
        [value, *tensors],
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        dilations=[op.dilation] * 2,
        group=op.grouping(site.shapes[0].channels),
        **attributes,
    )
