"""Batch normalisation in one node; group normalisation as an instance normalisation of the groups."""

import numpy as np

from search_space.ops.norm import Norm
from supernet.export.onnx_ops import Site


def emit(op: Norm, site: Site) -> str:
    """Return the normalised input."""
    if op.form == "group":
        return _group(op, site)
    tensors = [site.tensor(name) for name in ("weight", "bias", "running_mean", "running_var")]
    return site.graph.node("BatchNormalization", [site.inputs[0], *tensors], epsilon=op.eps)


def _group(op: Norm, site: Site) -> str:
    graph, value = site.graph, site.inputs[0]
    grouped = graph.node(
        "Reshape", [value, graph.constant([0, op.groups, -1], np.int64)]
    )  # (B, G, C / G * H * W)
    ones, zeros = graph.constant(np.ones(op.groups)), graph.constant(np.zeros(op.groups))
    normal = graph.node("InstanceNormalization", [grouped, ones, zeros], epsilon=op.eps)
    restored = graph.node("Reshape", [normal, graph.shape(value)])
    column = (-1, 1, 1)
    scaled = graph.node("Mul", [restored, graph.constant(site.weights["weight"].reshape(column))])
    return graph.node("Add", [scaled, graph.constant(site.weights["bias"].reshape(column))])
