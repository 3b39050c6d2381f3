"""FPN whose coarser levels are enlarged by CARAFE (Wang et al. 2019).

Levels above the backbone's are laterals of their own: 3x3 s2 convolutions, the first of the backbone's
highest level, enlarged and convolved as the others. Or they are made as an FPN's.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.macros.layers import NormChoice
from search_space.macros.paths import coarser, extra_levels, laterals, outputs
from search_space.ops.carafe import Carafe


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    kernel: int = 5,
    encoder_kernel: int = 3,
    inner: int = 64,
    extra: Literal["lateral", "pool", "c5", "t5", "p5"] = "lateral",
    norm: NormChoice = None,
    act: str | None = None,
) -> Architecture:
    """Return an FPN with CARAFE.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        kernel: side of the window that is reassembled, k_up.
        encoder_kernel: side of the kernel that predicts the weights, k_enc.
        inner: channels that they are predicted from, C_m.
        extra: how levels above the backbone's are made: as laterals, or see `fpn`.
        norm: after every convolution.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    merged = laterals(draft, own, width, norm=norm, act=act)
    if extra == "lateral":
        top = draft.feature(own[-1])
        merged |= coarser(draft, above, top, width, norm=norm, act=act, name="lateral")
    enlarge = Carafe(kernel=kernel, encoder_kernel=encoder_kernel, inner=inner)
    for level in sorted(merged, reverse=True)[1:]:
        merged[level] = draft.node(f"merge{level}", level, merged[level], Edge(merged[level + 1], (enlarge,)))
    made = outputs(draft, merged, width, norm=norm, act=act)
    tops = {"c5": draft.feature(own[-1]), "t5": merged[own[-1]]}
    if extra != "lateral":
        made |= extra_levels(draft, above, tops, made, width, extra, norm=norm, act=act)
    return draft.finish(made)
