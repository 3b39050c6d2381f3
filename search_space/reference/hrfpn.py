"""HRFPN: all levels side by side at the finest, reduced, pooled to each level (HRNet, Sun et al. 2019)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 1,
    width: int = 256,
    pool: Literal["avg", "max"] = "avg",
    norm: NormChoice = None,
    act: str | None = None,
) -> Architecture:
    """Return an HRFPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        pool: how coarser levels are made; a window over the border takes the pixels inside.
        norm: after every convolution.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    lowest = own[0]
    edges = [
        Edge(draft.feature(level), () if level == lowest else (Resize(mode="bilinear"),)) for level in own
    ]
    reduce = conv_norm_act(width, 1, norm=norm, act=act)
    fused = draft.node("fused", lowest, *edges, fusion=Concat(), ops=reduce)
    smooth = conv_norm_act(width, 3, norm=norm, act=act)
    made: dict[int, str] = {}
    for level in [*own, *above]:
        factor = 2 ** (level - lowest)
        down: tuple[Op, ...] = ()
        if factor > 1:
            down = (Pool(form=pool, kernel=factor, stride=factor, padding="same"),)
        made[level] = draft.node(f"p{level}", level, Edge(fused, down), ops=smooth)
    return draft.finish(made)
