"""LeYOLO's FPAN: path aggregation of inverted residuals (Hollard et al. 2024).

P5 up beside P4 -> blocks; up beside P3 -> blocks, the first without expansion; 3x3 s2 beside -> blocks,
twice.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.inverted_residual import residual_chain
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    width: int | Sequence[int] | None = None,
    repeats: int = 3,
    expansion: float = 2.0,
    kernel: int = 5,
    norm: NormChoice = "batch",
    act: str | None = "silu",
) -> Architecture:
    """Return an FPAN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, all of the backbone; None takes its own.
        width: channels of each level, from the lowest, or one number; None keeps the backbone's.
        repeats: inverted residuals of a node.
        expansion: channels inside an inverted residual over its outputs.
        kernel: side of the depthwise kernels.
        norm: after every convolution.
        act: after every convolution but the last of a block.
    """
    own, above = split_levels(channels, levels)
    widths = _widths(own, channels, width)
    if above or repeats < 1:
        raise InvalidArchitecture(
            f"leyolo_fpan makes no levels above, and needs a block; got {above}, {repeats}"
        )
    draft = Draft(channels)

    def blocks(name: str, level: int, inputs: Sequence[str | Edge], *, expand_first: bool = True) -> str:
        return residual_chain(
            draft,
            f"{name}{level}",
            level,
            inputs,
            widths[level],
            blocks=repeats,
            inner=round(widths[level] * expansion),
            kernel=kernel,
            expand_first=expand_first,
            norm=norm,
            act=act,
        )

    down: dict[int, str] = {own[-1]: draft.feature(own[-1])}
    for level in reversed(own[:-1]):
        inputs = (Edge(down[level + 1], (Resize(mode="nearest"),)), draft.feature(level))
        down[level] = blocks("td", level, inputs, expand_first=level != own[0])
    made = {own[0]: down[own[0]]}
    for level in own[1:]:
        halve = conv_norm_act(widths[level], 3, stride=2, norm=norm, act=act)
        made[level] = blocks("bu", level, (Edge(made[level - 1], halve), down[level]))
    return draft.finish(made)


def _widths(
    own: Sequence[int], channels: Mapping[int, int], width: int | Sequence[int] | None
) -> dict[int, int]:
    if width is None:
        return {level: channels[level] for level in own}
    given = (width,) * len(own) if isinstance(width, int) else tuple(width)
    if len(given) != len(own):
        raise InvalidArchitecture(f"leyolo_fpan: {len(own)} levels need as many widths, got {given}")
    return dict(zip(own, given, strict=True))
