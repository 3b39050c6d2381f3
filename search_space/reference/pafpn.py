"""PAFPN: an FPN followed by a bottom-up path (Liu et al. 2018).

B_lo = P_lo, B_i = P_i + 3x3s2(B_{i-1}), out_i = 3x3(B_i) for i > lo. The paper's own form (`@paper`) feeds
the convolved features upwards, each convolution followed by a ReLU.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.macros.paths import Extra, bottom_up, extra_levels, laterals, outputs, top_down

VARIANTS: Mapping[str, Mapping[str, object]] = {"paper": {"feeds": "convolved"}}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    feeds: Literal["merged", "convolved"] = "merged",
    extra: Extra = "pool",
    extra_relu: bool = False,
    extra_norm: bool = True,
    norm: NormChoice = None,
    act: str | None = None,
    upsample: Literal["nearest", "bilinear"] = "nearest",
) -> Architecture:
    """Return a PAFPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        feeds: what goes up the bottom-up path: merged sums, or (the paper's) sums convolved, with ReLUs.
        extra: how levels above the backbone's are made, see `fpn`.
        extra_relu: whether a ReLU stands between two extra convolutions.
        extra_norm: whether norm and activation follow the extra convolutions too.
        norm: after every convolution.
        act: after every convolution.
        upsample: how coarser levels are enlarged.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    lateral = laterals(draft, own, width, norm=norm, act=act)
    merged = top_down(draft, lateral, upsample=upsample)
    smooth = outputs(draft, merged, width, norm=norm, act=act, name="smooth")
    if feeds == "convolved":
        up_act = act or "relu"
        after = conv_norm_act(width, 3, norm=norm, act=up_act)
        made = bottom_up(draft, smooth, width, norm=norm, act=up_act, after=after)
    else:
        summed = bottom_up(draft, smooth, width, norm=norm, act=act)
        rest = {level: summed[level] for level in own[1:]}
        made = {own[0]: summed[own[0]], **outputs(draft, rest, width, norm=norm, act=act)}
    tops = {"c5": draft.feature(own[-1]), "t5": merged[own[-1]]}
    norm, act = (norm, act) if extra_norm else (None, None)
    made |= extra_levels(draft, above, tops, made, width, extra, relu=extra_relu, norm=norm, act=act)
    return draft.finish(made)
