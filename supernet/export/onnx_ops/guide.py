"""RevFP's spatial attention."""

from search_space.ops.guide import Guide
from supernet.export.onnx_gates import flattened
from supernet.export.onnx_ops import Site


def emit(op: Guide, site: Site) -> str:
    """Return the second input, weighted pixel by pixel."""
    graph, (first, second) = site.graph, site.inputs
    both = graph.node("Concat", [first, second], axis=1)
    tensors = [site.tensor("weight"), site.tensor("bias")]
    logits = graph.node("Conv", [both, *tensors], pads=[op.kernel // 2] * 4)
    width = graph.constant(site.shapes[0].channels ** -0.5)
    factor = graph.node("Mul", [site.tensor("temperature"), width])
    scaled = graph.node("Mul", [flattened(site, logits), factor])
    shares = graph.node("Reshape", [graph.node("Softmax", [scaled], axis=2), graph.shape(logits)])
    pixels = graph.node("Mul", [graph.extent(logits, 2), graph.extent(logits, 3)])
    weighted = graph.node("Mul", [second, shares])
    return graph.node("Mul", [weighted, graph.node("Cast", [pixels], to=1)])
