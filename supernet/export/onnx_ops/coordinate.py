"""Coordinate attention: rows and columns go through one convolution, side by side."""

import numpy as np

from search_space.ops.coordinate import CoordinateAttention
from supernet.export.onnx_gates import mean_over, pointwise
from supernet.export.onnx_ops import Site


def emit(op: CoordinateAttention, site: Site) -> str:
    """Return the input, each row and each column weighted."""
    graph, value = site.graph, site.inputs[0]
    rows = mean_over(site, value, 3)  # (B, C, H, 1)
    columns = graph.node("Transpose", [mean_over(site, value, 2)], perm=[0, 1, 3, 2])  # (B, C, W, 1)
    both = pointwise(site, "squeeze", graph.node("Concat", [rows, columns], axis=2))
    tensors = [site.tensor(name) for name in ("norm_weight", "norm_bias", "running_mean", "running_var")]
    active = graph.node("HardSwish", [graph.node("BatchNormalization", [both, *tensors], epsilon=op.eps)])
    down, across = _split(site, active, value)
    row_gate = graph.node("Sigmoid", [pointwise(site, "height", down)])
    turned = graph.node("Transpose", [across], perm=[0, 1, 3, 2])
    column_gate = graph.node("Sigmoid", [pointwise(site, "width", turned)])
    return graph.node("Mul", [graph.node("Mul", [value, row_gate]), column_gate])


def _split(site: Site, both: str, value: str) -> tuple[str, str]:
    graph = site.graph
    column = graph.constant([0], np.int64)
    height = graph.node("Unsqueeze", [graph.extent(value, 2), column])
    axis, end = graph.constant([2], np.int64), graph.constant([np.iinfo(np.int64).max], np.int64)
    return (
        graph.node("Slice", [both, column, height, axis]),
        graph.node("Slice", [both, height, end, axis]),
    )
