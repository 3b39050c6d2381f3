"""Batch normalisation by statistics that were gathered over several tensors."""

from search_space.ops.set_norm import SetNorm
from supernet.export.onnx_ops import Site


def emit(op: SetNorm, site: Site) -> str:
    """Return the first input, normalised."""
    tensors = [site.tensor(name) for name in ("weight", "bias", "running_mean", "running_var")]
    return site.graph.node("BatchNormalization", [site.inputs[0], *tensors], epsilon=op.eps)
