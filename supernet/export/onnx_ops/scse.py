"""Concurrent spatial and channel squeeze-and-excitation."""

from search_space.ops.scse import SpatialChannelExcite
from supernet.export.onnx_gates import channel_gate, pointwise
from supernet.export.onnx_ops import Site


def emit(op: SpatialChannelExcite, site: Site) -> str:
    """Return the input weighted by channel plus the input weighted by pixel."""
    graph, value = site.graph, site.inputs[0]
    spatial = graph.node("Sigmoid", [pointwise(site, "spatial", value)])
    channels = graph.node("Mul", [value, channel_gate(site, value)])
    return graph.node("Add", [channels, graph.node("Mul", [value, spatial])])
