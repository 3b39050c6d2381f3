"""HRNet's fusion: every level from every other, summed (Sun et al. 2019).

From coarser levels: 1x1 CN, nearest. From finer ones: 3x3 s2 CN for each step, ReLU on all but the last,
channels changed only in the last.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import LevelOutOfRange
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.op import Op
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    repeats: int = 1,
    width: int | None = None,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return HRNet's fusion.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, all of the backbone; None takes its own.
        repeats: fusions, one after the other.
        width: channels of every output; None keeps each level's own.
        norm: after every convolution.
        act: after every convolution but the last of an edge, and after the sum.
    """
    own, above = split_levels(channels, levels)
    if above:
        raise LevelOutOfRange(f"hrnet_fuse makes no levels above the backbone's, got {above}")
    draft = Draft(channels)
    current = {level: draft.feature(level) for level in own}
    for index in range(repeats):
        current = {
            level: draft.node(
                f"fuse{index}_{level}",
                level,
                *_edges(draft, current, level, width or channels[level], norm, act),
                ops=acts(act),
            )
            for level in own
        }
    return draft.finish(current)


def _edges(
    draft: Draft, current: Mapping[int, str], level: int, width: int, norm: NormChoice, act: str | None
) -> list[Edge]:
    edges: list[Edge] = []
    for source, name in current.items():
        ops: tuple[Op, ...] = ()
        if source > level:
            ops = (*conv_norm_act(width, norm=norm), Resize(mode="nearest"))
        elif source < level:
            step = conv_norm_act(draft.width(name), 3, stride=2, norm=norm, act=act)
            ops = step * (level - source - 1) + conv_norm_act(width, 3, stride=2, norm=norm)
        elif draft.width(name) != width:
            ops = conv_norm_act(width, norm=norm)
        edges.append(Edge(name, ops))
    return edges
