"""Activations, each in operators that every runtime knows."""

from search_space.ops.act import Act
from supernet.export.onnx_graph import OnnxGraph
from supernet.export.onnx_ops import Site

_PLAIN = {"relu": "Relu", "sigmoid": "Sigmoid", "hard_swish": "HardSwish"}


def emit(op: Act, site: Site) -> str:
    """Return the activated input."""
    graph, value = site.graph, site.inputs[0]
    if op.form in _PLAIN:
        return graph.node(_PLAIN[op.form], [value])
    if op.form == "relu6":
        return graph.node("Clip", [value, graph.constant(0), graph.constant(6)])
    if op.form == "silu":
        return graph.node("Mul", [value, graph.node("Sigmoid", [value])])
    if op.form == "hard_sigmoid":
        return graph.node("HardSigmoid", [value], alpha=1 / 6, beta=0.5)
    if op.form == "leaky_relu":
        return graph.node("LeakyRelu", [value], alpha=0.1)
    assert op.form == "gelu", op.form
    return _gelu(graph, value)


def _gelu(graph: OnnxGraph, value: str) -> str:
    error = graph.node("Erf", [graph.node("Div", [value, graph.constant(2**0.5)])])
    scaled = graph.node("Mul", [value, graph.node("Add", [error, graph.constant(1)])])
    return graph.node("Mul", [scaled, graph.constant(0.5)])
