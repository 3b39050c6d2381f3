"""Parts that several attention operations share in ONNX."""

from typing import Any

import numpy as np

from supernet.export.onnx_ops import Site


def mean_over(site: Site, value: str, *axes: int, keep: bool = True) -> str:
    """Return the mean over some axes."""
    return site.graph.node("ReduceMean", [value], axes=list(axes), keepdims=int(keep))


def pointwise(site: Site, name: str, value: str) -> str:
    """Return the 1x1 convolution by `<name>_weight` and, where there is one, `<name>_bias`."""
    tensors = [f"{name}_weight", f"{name}_bias"]
    return site.graph.node("Conv", [value, *(site.tensor(key) for key in tensors if key in site.weights)])


def channel_gate(site: Site, value: str, gate: str = "Sigmoid") -> str:
    """Return `gate(W2 relu(W1 GAP x))`, (B, C, 1, 1)."""
    pooled = site.graph.node("GlobalAveragePool", [value])
    inner = site.graph.node("Relu", [pointwise(site, "squeeze", pooled)])
    logits = pointwise(site, "excite", inner)
    attributes: dict[str, Any] = {"alpha": 1 / 6, "beta": 0.5} if gate == "HardSigmoid" else {}
    return site.graph.node(gate, [logits], **attributes)


def flattened(site: Site, value: str) -> str:
    """Return (B, C, pixels) of (B, C, H, W)."""
    return site.graph.node("Reshape", [value, site.graph.constant([0, 0, -1], np.int64)])


def cropped(site: Site, value: str) -> str:
    """Return the value cut to the size of the node's level."""
    graph = site.graph
    starts, axes = graph.constant([0, 0], np.int64), graph.constant([2, 3], np.int64)
    return graph.node("Slice", [value, starts, site.size(), axes])
