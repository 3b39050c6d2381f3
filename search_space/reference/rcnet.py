"""RCNet: RevFP, then a cross-scale shift network (Zong et al. 2021)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, near
from search_space.macros.cross_scale import CrossScale
from search_space.macros.layers import NormChoice, act_conv_norm, acts, norms
from search_space.macros.paths import laterals
from search_space.ops.deform_conv import DeformConv
from search_space.reference.rev_fp import MIXES, Path, pooled

VARIANTS: Mapping[str, Mapping[str, object]] = {"plain": {"deform": False}}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 256,
    mix: Literal["channel", "map", "sum"] = "map",
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
        deform: whether the 3x3 convolutions are deformable (version 2, two groups of offsets).
        part: channels over those of a shifted slice.
        meeting: level at whose size the shift happens; None is the second lowest.
        context: whether spatial and scale context follow the shift.
        norm: after each convolution.
        act: before each 3x3 convolution of RevFP, and inside the shift.
    """
    own, above = split_levels(channels, levels, more)
    if mix not in MIXES:
        raise InvalidArchitecture(f"unknown mix '{mix}'{near(mix, MIXES)}")
    draft = Draft(channels)
    given = laterals(draft, own, width, norm=norm)
    given |= pooled(draft, above, given[own[-1]], width, norm=norm)
    post = act_conv_norm(width, 3, norm=norm, act=act)
    if deform:
        after = norms(norm)
        moved = DeformConv(width=width, groups=2, modulated=True, bias=not after)
        post = (*acts(act), moved, *after)
    path = Path(mix=MIXES[mix], guided=True, upsample="bilinear", pre=post, post=post)
    fused = path.draw(draft, given)
    meet = sorted(fused)[min(1, len(fused) - 1)] if meeting is None else meeting
    shift = CrossScale(part=part, meeting=meet, context=context, norm=norm, act=act)
    return draft.finish(shift.draw(draft, fused, name="out"))
