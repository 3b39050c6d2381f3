"""CSN: levels meet at one size and exchange slices of channels and context (RCNet, Zong et al. 2021)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.macros.cross_scale import CrossScale
from search_space.macros.layers import NormChoice
from search_space.reference import fpn


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    after: Literal["fpn", "inputs"] = "fpn",
    part: int = 16,
    meeting: int | None = None,
    context: bool = True,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a cross-scale shift network.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        after: what is shifted: an FPN's outputs, or inputs that already have one width.
        part: channels over those of a slice.
        meeting: level at whose size the levels meet; None is the second lowest.
        context: whether spatial and scale context follow the shift.
        norm: after the first convolution of each level.
        act: after it.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    if after == "fpn":
        given = fpn.draw(draft, own, above, width=width)
        given = {level: draft.node(f"in{level}", level, source) for level, source in given.items()}
    else:
        given = {level: draft.feature(level) for level in [*own, *above]}
    meet = sorted(given)[min(1, len(given) - 1)] if meeting is None else meeting
    shift = CrossScale(part=part, meeting=meet, context=context, norm=norm, act=act)
    return draft.finish(shift.draw(draft, given, name="out"))
