"""Channel mapper: a convolution a level and nothing between levels (DETR's neck)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.macros.layers import NormChoice, conv_norm_act


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    kernel: int = 3,
    norm: NormChoice = None,
    act: str | None = "relu",
) -> Architecture:
    """Return a channel mapper.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: levels made by 3x3 s2 convolutions, the first of the backbone's top.
        width: channels of every output.
        kernel: side of the convolutions' kernels.
        norm: after every convolution.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    ops = conv_norm_act(width, kernel, norm=norm, act=act)
    made = {level: draft.node(f"p{level}", level, draft.feature(level), ops=ops) for level in own}
    source = draft.feature(own[-1])
    for level in above:
        down = conv_norm_act(width, 3, stride=2, norm=norm, act=act)
        source = made[level] = draft.node(f"p{level}", level, source, ops=down)
    return draft.finish(made)
