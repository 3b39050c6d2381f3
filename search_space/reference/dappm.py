"""DAPPM: one level pooled at growing scales, each added to the next (DDRNet, Hong et al. 2021)."""

from collections.abc import Mapping

from search_space.architecture import Architecture
from search_space.draft import Draft
from search_space.macros.context import dappm
from search_space.macros.layers import NormChoice


def build(
    channels: Mapping[int, int],
    *,
    level: int | None = None,
    width: int = 256,
    inner: int = 128,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return DAPPM.

    Args:
        channels: of the backbone by level.
        level: the one level; None takes the backbone's top.
        width: channels of the output.
        inner: channels of each scale.
        norm: before every convolution.
        act: before every convolution.
    """
    draft = Draft(channels)
    level = max(channels, default=0) if level is None else level
    made = dappm(draft, level, draft.feature(level), width, inner, norm=norm, act=act)
    return draft.finish({level: made})
