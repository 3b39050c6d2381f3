"""RevFP's mix of two inputs."""

from search_space.ops.gap_mix import GapMix
from supernet.export.onnx_ops import Site


def emit(op: GapMix, site: Site) -> str:
    """Return `w * first + (1 - w) * second`."""
    graph, (first, second) = site.graph, site.inputs
    pooled = graph.node("Concat", [graph.node("GlobalAveragePool", [value]) for value in site.inputs], axis=1)
    share = graph.node("Sigmoid", [graph.node("Conv", [pooled, site.tensor("weight"), site.tensor("bias")])])
    rest = graph.node("Sub", [graph.constant(1), share])
    return graph.node("Add", [graph.node("Mul", [share, first]), graph.node("Mul", [rest, second])])
