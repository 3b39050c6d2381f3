"""What classes of kernels cost in proportion to one another: where a fit with few samples starts.

Powers of two only, for what a class is rather than for one machine: torch's max-pooling is not vectorised, a
oneDNN convolution is set up anew at every call. A fit scales them as a whole and then corrects each class by
what was measured.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Proportion = tuple[float, float, float]
"""Of a MAC, of a byte, of one kernel, each in units of the most ordinary class."""

ORDINARY: Proportion = (1.0, 1.0, 1.0)
_TORCH: Mapping[str, Proportion] = {
    "conv_dense": (1.0, 1.0, 16.0),
    "conv_dense_wide": (0.5, 1.0, 16.0),
    "conv_pointwise": (1.0, 1.0, 16.0),
    "conv_depthwise": (2.0, 2.0, 16.0),
    "conv_grouped": (8.0, 2.0, 16.0),
    "conv_dense_gemm": (1.0, 1.0, 4.0),
    "conv_pointwise_gemm": (1.0, 0.125, 2.0),
    "resize_nearest": (1.0, 4.0, 4.0),
    "resize_bilinear": (1.0, 4.0, 4.0),
    "max_pool": (64.0, 4.0, 2.0),
    "avg_pool": (128.0, 4.0, 8.0),
    "adaptive_pool_max": (1.0, 8.0, 8.0),
    "adaptive_pool_avg": (1.0, 8.0, 8.0),
    "global_pool": (1.0, 1.0, 2.0),
    "norm": (1.0, 1.0, 2.0),
    "concat": (1.0, 1.0, 2.0),
    "scale": (1.0, 1.0, 2.0),
}
_ONNXRUNTIME: Mapping[str, Proportion] = {
    "conv_grouped_plain": (8.0, 1.0, 1.0),
    "resize_bilinear_plain": (1.0, 8.0, 8.0),
    "adaptive_pool_max_plain": (1.0, 16.0, 1.0),
    "adaptive_pool_avg_plain": (1.0, 16.0, 1.0),
    "global_pool_plain": (1.0, 8.0, 2.0),
}
_OF_RUNTIME: Mapping[str, Mapping[str, Proportion]] = {"torch": _TORCH, "onnxruntime": _ONNXRUNTIME}


def proportion(runtime: str, kind: str) -> Proportion:
    """Return the proportions of a class of kernels in a runtime; ordinary where nothing is known."""
    return _OF_RUNTIME.get(runtime, {}).get(kind, ORDINARY)


def proportions(runtime: str, kinds: Sequence[str]) -> NDArray[np.float64]:
    """Return (classes, 3) proportions."""
    return np.array([proportion(runtime, kind) for kind in kinds], dtype=float).reshape(-1, 3)
