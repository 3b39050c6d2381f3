"""Laterals, the top-down path, the bottom-up path and levels above the backbone's."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.errors import InvalidArchitecture, near
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize

Extra = Literal["pool", "c5", "t5", "p5"]
Levels = dict[int, str]
"""Ids of inputs or nodes by level."""
_EXTRAS = ("pool", "c5", "t5", "p5")


def laterals(
    draft: Draft, levels: Sequence[int], width: int, *, norm: NormChoice = None, act: str | None = None
) -> Levels:
    """Draw a 1x1 convolution of each backbone level."""
    ops = conv_norm_act(width, norm=norm, act=act)
    return {level: draft.node(f"lateral{level}", level, draft.feature(level), ops=ops) for level in levels}


def top_down(
    draft: Draft,
    sources: Mapping[int, str],
    *,
    upsample: Literal["nearest", "bilinear"] = "nearest",
    name: str = "merge",
) -> Levels:
    """Draw each level's source plus the enlarged level above; the top one stays as it is."""
    levels = sorted(sources, reverse=True)
    made = {levels[0]: sources[levels[0]]}
    for level in levels[1:]:
        above = Edge(made[level + 1], (Resize(mode=upsample),))
        made[level] = draft.node(f"{name}{level}", level, sources[level], above)
    return made


def outputs(
    draft: Draft,
    sources: Mapping[int, str],
    width: int,
    *,
    kernel: int = 3,
    norm: NormChoice = None,
    act: str | None = None,
    name: str = "p",
) -> Levels:
    """Draw a convolution of each level."""
    ops = conv_norm_act(width, kernel, norm=norm, act=act)
    return {level: draft.node(f"{name}{level}", level, sources[level], ops=ops) for level in sorted(sources)}


def bottom_up(
    draft: Draft,
    sources: Mapping[int, str],
    width: int,
    *,
    norm: NormChoice = None,
    act: str | None = None,
    after: Sequence[Op] = (),
    name: str = "up",
) -> Levels:
    """Draw each level's source plus a 3x3 s2 convolution of the result below, then the operations `after`."""
    levels = sorted(sources)
    made = {levels[0]: sources[levels[0]]}
    down = conv_norm_act(width, 3, stride=2, norm=norm, act=act)
    for level in levels[1:]:
        below = Edge(made[level - 1], down)
        made[level] = draft.node(f"{name}{level}", level, sources[level], below, ops=after)
    return made


def extra_levels(
    draft: Draft,
    levels: Sequence[int],
    tops: Mapping[str, str],
    made: Mapping[int, str],
    width: int,
    extra: Extra,
    *,
    relu: bool = False,
    norm: NormChoice = None,
    act: str | None = None,
) -> Levels:
    """Draw levels above the backbone's.

    Args:
        draft: drawn on.
        levels: to be made, from the lowest.
        tops: the ids that `c5` and `t5` stand for.
        made: the outputs so far; the highest is `p5`.
        width: of each level.
        extra: subsampling of the highest output, or what the first 3x3 s2 convolution reads.
        relu: whether a ReLU stands between two convolutions.
        norm: after each convolution.
        act: after each convolution.
    """
    if extra not in _EXTRAS:
        raise InvalidArchitecture(f"unknown extra '{extra}'{near(extra, _EXTRAS)}")
    source = made[max(made)] if extra in ("pool", "p5") else tops[extra]
    found: Levels = {}
    for index, level in enumerate(levels):
        before = (Act(),) if relu and index and not acts(act) else ()
        down = conv_norm_act(width, 3, stride=2, norm=norm, act=act)
        ops = (Pool(kernel=1, padding="none"),) if extra == "pool" else (*before, *down)
        source = found[level] = draft.node(f"p{level}", level, source, ops=ops)
    return found


def coarser(
    draft: Draft,
    levels: Sequence[int],
    source: str,
    width: int,
    *,
    norm: NormChoice = None,
    act: str | None = None,
    name: str = "c",
) -> Levels:
    """Draw a chain of 3x3 s2 convolutions, one a level, from `source`."""
    found: Levels = {}
    for level in levels:
        ops = conv_norm_act(width, 3, stride=2, norm=norm, act=act)
        source = found[level] = draft.node(f"{name}{level}", level, source, ops=ops)
    return found
