"""Dilated encoder: one level, residual blocks with growing dilations (YOLOF, Chen et al. 2021).

The two convolutions in front of the blocks have a bias beside their norm.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, conv_norm_act


def build(
    channels: Mapping[int, int],
    *,
    level: int | None = None,
    width: int = 512,
    inner: int | None = None,
    dilations: Sequence[int] = (2, 4, 6, 8),
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a dilated encoder.

    Args:
        channels: of the backbone by level.
        level: the one level; None takes the backbone's top.
        width: channels of the output.
        inner: channels inside a block; None is a quarter of `width`.
        dilations: of each block.
        norm: after every convolution.
        act: after every convolution of a block.
    """
    own, above = split_levels(
        channels, (level, level) if level is not None else (max(channels, default=0),) * 2
    )
    inner = inner or max(1, width // 4)
    if above:
        raise InvalidArchitecture(f"dilated_encoder works on a level of the backbone, got {above[0]}")
    draft = Draft(channels)
    lateral = conv_norm_act(width, norm=norm, bias=True) + conv_norm_act(width, 3, norm=norm, bias=True)
    source = draft.node("lateral", own[0], draft.feature(own[0]), ops=lateral)
    for index, dilation in enumerate(dilations):
        block = (
            conv_norm_act(inner, norm=norm, act=act)
            + conv_norm_act(inner, 3, dilation=dilation, norm=norm, act=act)
            + conv_norm_act(width, norm=norm, act=act)
        )
        source = draft.node(f"block{index}", own[0], source, Edge(source, block))
    return draft.finish({own[0]: source})
