"""Short texts for operations, as they stand in a node, on an edge and in a hover text."""

from collections.abc import Sequence
from typing import Literal

from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.deconv import Deconv
from search_space.ops.deform_conv import DeformConv

Marker = Literal["conv", "other", ""]
"""What an edge does on the way: convolves, something else than resampling, nothing but that."""

FUSIONS = {
    "sum": ("+", "sum"),
    "mean": ("x̄", "mean"),
    "concat": ("[ ]", "side by side"),
    "product": ("×", "product"),
    "weighted_sum": ("⊕", "weighted sum"),
    "gate": ("σ", "gate"),
    "gap_mix": ("⇄", "global mix"),
    "guide": ("◎", "spatial guide"),
    "selective": ("≷", "selective kernel"),
    "set_norm": ("N", "norm over levels"),
    "dot_attention": ("∘", "attention"),
    "scale_context": ("∑", "scale context"),
}
"""Symbol and meaning of each fusion."""

_SHORT = {
    "se": "SE",
    "scse": "scSE",
    "eca": "ECA",
    "ela": "ELA",
    "coordinate": "CA",
    "spatial_context": "ctx",
    "attention_pool": "gather",
    "l2_norm": "L2",
    "pixel_shuffle": "shuffle",
    "carafe": "carafe",
    "slice": "slice",
    "pool": "pool",
    "adaptive_pool": "pool",
    "resize": "resize",
}
_RESAMPLING = {"resize", "pool", "adaptive_pool"}
_ROOM = 9
"""Characters that fit into a box."""


def fusion_symbol(kind: str) -> str:
    """Return one character for a fusion, or its name."""
    return FUSIONS.get(kind, (kind, kind))[0]


def op_labels(ops: Sequence[Op]) -> list[str]:
    """Return what the operations do, norms and activations left out, a pointwise after a depthwise too."""
    found: list[str] = []
    for index, op in enumerate(ops):
        after_depthwise = index > 0 and _is_depthwise(ops[index - 1])
        if isinstance(op, Conv) and op.kernel == 1 and after_depthwise:
            continue
        label = _label(op)
        if label:
            found.append(label)
    return found


def shortened(labels: Sequence[str]) -> str:
    """Return as many labels as fit, and how many more there are."""
    shown = len(labels)
    while shown > 1 and len(_joined(labels, shown)) > _ROOM:
        shown -= 1
    return _joined(labels, shown)


def _joined(labels: Sequence[str], shown: int) -> str:
    more = len(labels) - shown
    return " ".join(labels[:shown]) + (f" +{more}" if more > 0 else "")


def marker(ops: Sequence[Op]) -> Marker:
    """Return the sign of an edge that applies `ops`; resampling shows as a change of rows."""
    if any(isinstance(op, Conv | DeformConv | Deconv) for op in ops):
        return "conv"
    return "other" if any(op.kind not in _RESAMPLING for op in ops) else ""


def sentence(op: Op) -> str:
    """Return the operation and its attributes that are not the class's defaults, for a hover text."""
    said = []
    for name, value in vars(op).items():
        if name == "share" or value == getattr(type(op), name, object()):
            continue
        said.append(f"{name}={value}")
    if op.share is not None:
        said.append(f"tied as {op.share}")
    return op.kind + (f" ({', '.join(said)})" if said else "")


def _is_depthwise(op: Op) -> bool:
    return isinstance(op, Conv) and op.groups == 0


def _label(op: Op) -> str:
    if isinstance(op, Conv):
        name = f"dw{op.kernel}" if op.groups == 0 else f"{op.kernel}×{op.kernel}"
        return name + ("↓" if op.stride > 1 else "") + (f"·{op.dilation}" if op.dilation > 1 else "")
    if isinstance(op, DeformConv):
        return f"df{op.kernel}" + ("↓" if op.stride > 1 else "")
    if isinstance(op, Deconv):
        return f"{op.kernel}×{op.kernel}↑"
    return _SHORT.get(op.kind, "")
