"""FPG: a grid of parallel bottom-up pathways (Chen et al. 2020).

x^p_i = down(x^p_{i-1}) + across(x^{p-1}_i) + up(x^{p-1}_{i+1}) + skip(x^0_i), each activation, convolution,
norm; the lower a level, the fewer pathways change it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, act_conv_norm, acts, conv_norm_act
from search_space.macros.paths import coarser, laterals
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 1,
    width: int = 256,
    repeats: int = 9,
    extra: Literal["pool", "conv"] = "pool",
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return an FPG.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every node.
        repeats: pathways; level i above the lowest is left alone by the first n - 1 - i of n levels.
        extra: how laterals above the backbone's levels are made of the one below: subsampling, or 3x3 s2.
        norm: after every convolution but laterals and outputs.
        act: before every convolution but laterals.
    """
    own, above = split_levels(channels, levels, more)
    if repeats < 1:
        raise InvalidArchitecture(f"fpg: repeats must be one or more, got {repeats}")
    draft = Draft(channels)
    if extra not in ("pool", "conv"):
        raise InvalidArchitecture(f"fpg: extra is pool or conv, got {extra!r}")
    first = laterals(draft, own, width)
    if extra == "conv":
        first |= coarser(draft, above, first[own[-1]], width, name="lateral")
    for level in above if extra == "pool" else ():
        halve = (Pool(kernel=1, padding="none"),)
        first[level] = draft.node(f"lateral{level}", level, first[level - 1], ops=halve)
    current = first
    for index in range(repeats):
        current = _pathway(draft, index, first, current, width, norm, act)
    output = (*acts(act), *conv_norm_act(width, 3))
    made = {level: draft.node(f"p{level}", level, source, ops=output) for level, source in current.items()}
    return draft.finish(made)


def _pathway(
    draft: Draft,
    index: int,
    first: Mapping[int, str],
    before: Mapping[int, str],
    width: int,
    norm: NormChoice,
    act: str | None,
) -> dict[int, str]:
    levels = sorted(first)
    point, wide = (act_conv_norm(width, kernel, norm=norm, act=act) for kernel in (1, 3))
    down = act_conv_norm(width, 3, stride=2, norm=norm, act=act)
    made: dict[int, str] = {}
    for level in levels:
        if index < levels[-1] - level:
            made[level] = before[level]
            continue
        edges = [Edge(made[level - 1], down)] if level > levels[0] else []
        edges.append(Edge(before[level], point))
        if level < levels[-1]:
            edges.append(Edge(before[level + 1], (Resize(mode="nearest"), *wide)))
        edges.append(Edge(first[level], point))
        made[level] = draft.node(f"path{index}_{level}", level, *edges)
    return made
