"""ASPP: one level seen through several dilations and as a whole (DeepLabv3, Chen et al. 2017)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture
from search_space.draft import Draft
from search_space.macros.context import aspp
from search_space.macros.layers import NormChoice


def build(
    channels: Mapping[int, int],
    *,
    level: int | None = None,
    width: int = 256,
    dilations: Sequence[int] = (12, 24, 36),
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return ASPP.

    Args:
        channels: of the backbone by level.
        level: the one level; None takes the backbone's top.
        width: channels of every branch and of the output.
        dilations: of each 3x3 convolution, pixels.
        norm: after every convolution.
        act: after every convolution.
    """
    draft = Draft(channels)
    level = max(channels, default=0) if level is None else level
    made = aspp(draft, level, draft.feature(level), width, dilations=dilations, norm=norm, act=act)
    return draft.finish({level: made})
