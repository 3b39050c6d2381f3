"""SSD's extra feature layers: L2 norm on the lowest level, 1x1 -> 3x3 s2 chains above (Liu et al. 2016)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.l2_norm import L2Norm


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    widths: Sequence[int] = (512, 256, 256, 256),
    valid: int = 0,
    last_kernel: int = 3,
    l2_norm: bool = True,
    norm: NormChoice = None,
    act: str | None = "relu",
) -> Architecture:
    """Return SSD's pyramid.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level of the backbone to use; None takes its own.
        widths: channels of each level above, from the lowest.
        valid: how many of the topmost 3x3 convolutions have no padding instead of stride 2, as SSD300's two;
            their maps must have three pixels or more a side.
        last_kernel: side of the topmost kernel; where it is not 3 it moves by one pixel, over a map with half
            its border around, as SSD512's 4 over two pixels.
        l2_norm: whether the lowest level is normalised.
        norm: after every convolution.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels)
    if above or not 0 <= valid <= len(widths):
        raise InvalidArchitecture(
            f"ssd: valid is 0 to {len(widths)} and levels are the backbone's, got {valid}"
        )
    draft = Draft(channels)
    made = {level: draft.feature(level) for level in own}
    if l2_norm:
        made[own[0]] = draft.node("normed", own[0], made[own[0]], ops=(L2Norm(),))
    source = made[own[-1]]
    for index, width in enumerate(widths):
        level = own[-1] + 1 + index
        kernel = last_kernel if index == len(widths) - 1 else 3
        shrink = index >= len(widths) - valid
        wide = conv_norm_act(
            width,
            kernel,
            stride=1 if shrink or kernel != 3 else 2,
            padding="none" if shrink else "zeros",
            norm=norm,
            act=act,
        )
        ops: tuple[Op, ...] = (*conv_norm_act(width // 2, norm=norm, act=act), *wide)
        source = made[level] = draft.node(f"p{level}", level, source, ops=ops)
    return draft.finish(made)
