"""BiFPN: repeated top-down and bottom-up cells with weighted fusion (EfficientDet, Tan et al. 2020).

A cell: td_i = f(in_i, td_{i+1}); out_i = f(in_i, td_i, out_{i-1}), the top one f(in, out). The first cell has
a lateral of its own for each consumer of a backbone level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, near
from search_space.macros.layers import NormChoice, acts, norms
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum
from search_space.ops.weighted_sum import WeightedSum

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "d0": {"width": 64, "repeats": 3},
    "d1": {"width": 88, "repeats": 4},
    "d2": {"width": 112, "repeats": 5},
    "d3": {"width": 160, "repeats": 6},
    "d4": {"width": 224, "repeats": 7},
    "d5": {"width": 288, "repeats": 7},
    "d6": {"width": 384, "repeats": 8, "fusion": "sum"},
    "d7": {"width": 384, "repeats": 8, "fusion": "sum"},
    "d7x": {"width": 384, "repeats": 8, "fusion": "sum", "more": 3},
    "lite": {"width": 64, "repeats": 3, "fusion": "sum", "act": "relu6"},
}
_FUSIONS: Mapping[str, Op] = {
    "fast": WeightedSum(form="fast"),
    "softmax": WeightedSum(form="softmax"),
    "sum": Sum(),
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 64,
    repeats: int = 3,
    fusion: Literal["fast", "softmax", "sum"] = "fast",
    node: Literal["separable", "conv"] = "separable",
    norm: NormChoice = "batch",
    act: str | None = "silu",
    padding: Literal["symmetric", "same"] = "symmetric",
    redundant_bias: bool | None = None,
    separate_laterals: bool = True,
    upsample: Literal["nearest", "bilinear"] = "nearest",
) -> Architecture:
    """Return a BiFPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every node.
        repeats: number of cells.
        fusion: fast normalised, softmax or plain sum.
        node: separable or plain 3x3 convolution.
        norm: after each convolution; a mere name gets eps 1e-3, momentum 0.01.
        act: before each node's convolution.
        padding: symmetric (`efficientdet_*` weights), or TensorFlow's (`tf_efficientdet_*` weights).
        redundant_bias: whether convolutions in front of a norm have a bias; None: where padding is `same`.
        separate_laterals: whether each consumer of a backbone level has its own; else they share one.
        upsample: how coarser levels are enlarged.
    """
    own, above = split_levels(channels, levels, more)
    if fusion not in _FUSIONS:
        raise InvalidArchitecture(f"unknown fusion '{fusion}'{near(fusion, _FUSIONS)}")
    if own[0] == (above or own)[-1]:
        raise InvalidArchitecture(f"bifpn: joins levels, so it needs two or more; got level {own[0]} only")
    layers = _Layers(width, fusion, node, norm, act, padding, redundant_bias, upsample)
    draft = Draft(channels)
    current = {level: draft.feature(level) for level in own}
    current |= _extra(draft, layers, above, current[own[-1]])
    if not separate_laterals:
        current = _shared_laterals(draft, layers, current)
    for index in range(repeats):
        current = _cell(draft, layers, f"cell{index}", current)
    return draft.finish(current)


@dataclass(frozen=True, slots=True)
class _Layers:
    """The operations that every cell uses."""

    width: int
    fusion: str
    form: str
    norm_choice: NormChoice
    act: str | None
    padding: str
    redundant_bias: bool | None
    upsample: Literal["nearest", "bilinear"]

    @property
    def norm(self) -> tuple[Op, ...]:
        return norms(self.norm_choice, eps=1e-3, momentum=0.01)

    @property
    def bias(self) -> bool:
        same = self.padding == "same" if self.redundant_bias is None else self.redundant_bias
        return same or not self.norm

    @property
    def lateral(self) -> tuple[Op, ...]:
        return (Conv(width=self.width, kernel=1, bias=self.bias), *self.norm)

    @property
    def pool(self) -> Pool:
        return Pool(kernel=3, stride=2, padding="same" if self.padding == "same" else "neg_inf")

    @property
    def node(self) -> tuple[Op, ...]:
        pad: Literal["same", "zeros"] = "same" if self.padding == "same" else "zeros"
        if self.form == "conv":
            return (*acts(self.act), Conv(width=self.width, bias=self.bias, padding=pad), *self.norm)
        depthwise = Conv(width=self.width, groups=0, bias=False, padding=pad)
        return (*acts(self.act), depthwise, Conv(width=self.width, kernel=1, bias=self.bias), *self.norm)


def _extra(draft: Draft, layers: _Layers, levels: Sequence[int], source: str) -> dict[int, str]:
    made: dict[int, str] = {}
    for level in levels:
        lateral = layers.lateral if draft.width(source) != layers.width else ()
        source = made[level] = draft.node(f"in{level}", level, source, ops=(*lateral, layers.pool))
    return made


def _shared_laterals(draft: Draft, layers: _Layers, current: Mapping[int, str]) -> dict[int, str]:
    return {
        level: draft.node(f"lateral{level}", level, source, ops=layers.lateral)
        if draft.width(source) != layers.width
        else source
        for level, source in current.items()
    }


def _cell(draft: Draft, layers: _Layers, cell: str, given: Mapping[int, str]) -> dict[int, str]:
    levels = sorted(given)

    def arrive(source: str, *ops: Op) -> Edge:
        lateral = layers.lateral if draft.width(source) != layers.width else ()
        return Edge(source, (*lateral, *ops))

    def fuse(name: str, level: int, *edges: Edge) -> str:
        fusion = _FUSIONS[layers.fusion] if len(edges) > 1 else None
        return draft.node(f"{cell}_{name}{level}", level, *edges, fusion=fusion, ops=layers.node)

    down = {levels[-1]: given[levels[-1]]}
    for level in reversed(levels[:-1]):
        above = arrive(down[level + 1], Resize(mode=layers.upsample))
        name = "out" if level == levels[0] else "td"
        down[level] = fuse(name, level, arrive(given[level]), above)
    made = {levels[0]: down[levels[0]]}
    for level, below in zip(levels[1:], count(levels[0])):
        middle = [arrive(down[level])] if level < levels[-1] else []
        made[level] = fuse("out", level, arrive(given[level]), *middle, arrive(made[below], layers.pool))
    return made
