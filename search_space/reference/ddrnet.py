"""DDRNet's bilateral fusion: a fine and a coarse stream exchange features both ways (Hong et al. 2021).

low += 3x3 s2 CN(relu high), one a halving; high += up(1x1 CN(relu low)); both from the features before.
"""

from collections.abc import Mapping

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.op import Op
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    high: int | None = None,
    low: int | None = None,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return the bilateral fusion of two levels, each with the backbone's width.

    Args:
        channels: of the backbone by level.
        high: level of the high-resolution stream; None takes the backbone's lowest.
        low: level of the low-resolution stream; None takes the next the backbone has.
        norm: after every convolution.
        act: before every convolution.
    """
    high = min(channels, default=0) if high is None else high
    low = min((level for level in channels if level > high), default=high) if low is None else low
    draft = Draft(channels)
    if low <= high:
        raise InvalidArchitecture(f"ddrnet: the low-resolution level must be above {high}, got {low}")
    fine, coarse = draft.feature(high), draft.feature(low)
    down: tuple[Op, ...] = ()
    for step in range(low - high):
        last = step == low - high - 1
        width = draft.width(coarse) if last else draft.width(fine) * 2 ** (step + 1)
        down += (*acts(act), *conv_norm_act(width, 3, stride=2, norm=norm))
    up = (*acts(act), *conv_norm_act(draft.width(fine), norm=norm), Resize(mode="bilinear"))
    made_low = draft.node(f"p{low}", low, coarse, Edge(fine, down))
    made_high = draft.node(f"p{high}", high, fine, Edge(coarse, up))
    return draft.finish({high: made_high, low: made_low})
