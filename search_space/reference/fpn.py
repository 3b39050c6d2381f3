"""FPN: laterals summed top-down, a 3x3 convolution on each level (Lin et al. 2017).

L_i = 1x1(C_i), T_i = L_i + up(T_{i+1}), P_i = 3x3(T_i).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.macros.layers import NormChoice
from search_space.macros.paths import Extra, Levels, extra_levels, laterals, outputs, top_down

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "pool": {"extra": "pool", "more": 1},
    "retinanet": {"extra": "c5", "more": 2},
    "fcos": {"extra": "p5", "more": 2, "extra_relu": True},
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    extra: Extra = "pool",
    extra_relu: bool = False,
    extra_norm: bool = True,
    norm: NormChoice = None,
    act: str | None = None,
    upsample: Literal["nearest", "bilinear"] = "nearest",
) -> Architecture:
    """Return an FPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        extra: how levels above the backbone's are made: pool (subsampling), or 3x3 s2 convolutions
            reading c5 (the backbone's top), t5 (its lateral) or p5 (its output).
        extra_relu: whether a ReLU stands between two such convolutions.
        extra_norm: whether norm and activation follow those too; torchvision leaves them out.
        norm: after every convolution.
        act: after every convolution.
        upsample: how coarser levels are enlarged.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    made = draw(
        draft,
        own,
        above,
        width=width,
        extra=extra,
        extra_relu=extra_relu,
        extra_norm=extra_norm,
        norm=norm,
        act=act,
        upsample=upsample,
    )
    return draft.finish(made)


def draw(
    draft: Draft,
    own: Sequence[int],
    above: Sequence[int],
    *,
    width: int,
    extra: Extra = "pool",
    extra_relu: bool = False,
    extra_norm: bool = True,
    norm: NormChoice = None,
    act: str | None = None,
    upsample: Literal["nearest", "bilinear"] = "nearest",
) -> Levels:
    """Draw an FPN of the backbone's levels `own` and those `above`; see `build`."""
    lateral = laterals(draft, own, width, norm=norm, act=act)
    merged = top_down(draft, lateral, upsample=upsample)
    made = outputs(draft, merged, width, norm=norm, act=act)
    tops = {"c5": draft.feature(own[-1]), "t5": merged[own[-1]]}
    norm, act = (norm, act) if extra_norm else (None, None)
    return made | extra_levels(draft, above, tops, made, width, extra, relu=extra_relu, norm=norm, act=act)
