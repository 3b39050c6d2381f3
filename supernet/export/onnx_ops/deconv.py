"""A transposed convolution, cut to the size of the node's level."""

from search_space.ops.deconv import Deconv
from supernet.export.onnx_gates import cropped
from supernet.export.onnx_ops import Site


def emit(op: Deconv, site: Site) -> str:
    """Return the transposed convolution of the input."""
    tensors = [site.tensor(name) for name in ("weight", "bias") if name in site.weights]
    made = site.graph.node(
        "ConvTranspose",
        [site.inputs[0], *tensors],
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        pads=[op.margin] * 4,
        group=op.grouping(site.shapes[0].channels),
    )
    return cropped(site, made) if site.sized else made
