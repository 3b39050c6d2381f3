"""RCNet: RevFP, then a cross-scale shift network (Zong et al. 2021)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, near
from search_space.macros.cross_scale import CrossScale
from search_space.macros.layers import NormChoice, acts, norms
from search_space.macros.paths import coarser, laterals
from search_space.op import Op
from search_space.ops.deform_conv import DeformConv
from search_space.reference.rev_fp import MIXES, Path

VARIANTS: Mapping[str, Mapping[str, object]] = {"plain": {"deform": False}}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 256,
    mix: Literal["channel", "map", "sum"] = "channel",
    deform: bool = True,
    part: int = 16,
    meeting: int | None = None,
    context: bool = True,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return an RCNet neck.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        mix: how two inputs are joined, see `rev_fp`.
        deform: whether each level's last 3x3 convolution is deformable (version 2).
        part: channels over those of a shifted slice.
        meeting: level at whose size the shift happens; None is the second lowest.
        context: whether spatial and scale context follow the shift.
        norm: after each convolution.
        act: before each level's last convolution of RevFP, and inside the shift.
    """
    own, above = split_levels(channels, levels, more)
    if mix not in MIXES:
        raise InvalidArchitecture(f"unknown mix '{mix}'{near(mix, MIXES)}")
    draft = Draft(channels)
    given = laterals(draft, own, width, norm=norm)
    given |= coarser(draft, above, given[own[-1]], width, norm=norm, name="lateral")
    post: tuple[Op, ...] | None = None
    if deform:
        after = norms(norm)
        post = (*acts(act), DeformConv(width=width, modulated=True, bias=not after), *after)
    path = Path(width=width, mix=MIXES[mix], guided=True, norm=norm, act=act, upsample="bilinear", post=post)
    fused = path.draw(draft, given)
    meet = sorted(fused)[min(1, len(fused) - 1)] if meeting is None else meeting
    shift = CrossScale(part=part, meeting=meet, context=context, norm=norm, act=act)
    return draft.finish(shift.draw(draft, fused, name="out"))
