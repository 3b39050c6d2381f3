"""Squeeze-and-excitation."""

from search_space.ops.se import SqueezeExcite
from supernet.export.onnx_gates import channel_gate
from supernet.export.onnx_ops import Site


def emit(op: SqueezeExcite, site: Site) -> str:
    """Return the input, each channel weighted."""
    gate = "HardSigmoid" if op.gate == "hard_sigmoid" else "Sigmoid"
    return site.graph.node("Mul", [site.inputs[0], channel_gate(site, site.inputs[0], gate)])
