"""RevFP: a pyramid fused from fine to coarse, each level guided by the one above (RCNet, Zong et al. 2021).

p3 = [c3, c4], p4 = [c4, c5, p3], ..., p_top = [c_top, p_{top-1}]. The level above is enlarged and weighted
pixel by pixel (except at the top), two inputs are mixed by a global gate, the third, after a convolution, by
a second mix. Levels above the backbone's are a 1x1 convolution and a pool each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, near
from search_space.macros.layers import NormChoice, act_conv_norm, conv_norm_act
from search_space.macros.paths import laterals
from search_space.op import Op
from search_space.ops.gap_mix import GapMix
from search_space.ops.guide import Guide
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "plain": {"mix": "sum", "guided": False, "before": "pointwise"}
}
MIXES: Mapping[str, Op] = {"channel": GapMix(per="channel"), "map": GapMix(per="map"), "sum": Sum()}
_HALF = Pool(kernel=2, stride=2, padding="same")


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 256,
    mix: Literal["channel", "map", "sum"] = "map",
    guided: bool = True,
    before: Literal["full", "pointwise"] = "full",
    norm: NormChoice = "batch",
    act: str | None = "relu",
    upsample: Literal["nearest", "bilinear"] = "bilinear",
) -> Architecture:
    """Return a RevFP.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        mix: how two inputs are joined: a global gate a channel or a map, or a plain sum.
        guided: whether the enlarged level is weighted pixel by pixel.
        before: what stands before a second mix: activation, 3x3 convolution and norm, as at the level's end,
            or a 1x1 convolution and norm.
        norm: after each convolution.
        act: before each level's last convolution.
        upsample: how coarser levels are enlarged.
    """
    own, above = split_levels(channels, levels, more)
    if mix not in MIXES:
        raise InvalidArchitecture(f"unknown mix '{mix}'{near(mix, MIXES)}")
    draft = Draft(channels)
    given = laterals(draft, own, width, norm=norm)
    given |= pooled(draft, above, given[own[-1]], width, norm=norm)
    post = act_conv_norm(width, 3, norm=norm, act=act)
    pre = post if before == "full" else conv_norm_act(width, norm=norm)
    path = Path(mix=MIXES[mix], guided=guided, upsample=upsample, pre=pre, post=post)
    return draft.finish(path.draw(draft, given))


def pooled(
    draft: Draft, levels: Sequence[int], source: str, width: int, *, norm: NormChoice
) -> dict[int, str]:
    """Draw a chain of a 1x1 convolution, norm and 2x2 max-pool, one a level, from `source`."""
    found: dict[int, str] = {}
    for level in levels:
        ops = (*conv_norm_act(width, norm=norm), _HALF)
        source = found[level] = draft.node(f"lateral{level}", level, source, ops=ops)
    return found


@dataclass(frozen=True, kw_only=True)
class Path:
    """The fine-to-coarse path and its operations."""

    mix: Op
    guided: bool
    upsample: Literal["nearest", "bilinear"]
    pre: tuple[Op, ...]
    """Before a second mix."""
    post: tuple[Op, ...]
    """At the end of a level."""

    def draw(self, draft: Draft, given: Mapping[int, str]) -> dict[int, str]:
        """Draw the output of each level of `given`."""
        levels = sorted(given)
        made: dict[int, str] = {}
        for level in levels:
            current = given[level]
            if level < levels[-1]:
                current = self._from_above(draft, level, given)
            made[level] = self._from_below(draft, level, current, made)
        return made

    def _from_above(self, draft: Draft, level: int, given: Mapping[int, str]) -> str:
        above = Edge(given[level + 1], (Resize(mode=self.upsample),))
        if self.guided:
            above = Edge(draft.node(f"guide{level}", level, given[level], above, fusion=Guide()))
        lowest = level == min(given)
        name, ops = (f"p{level}", self.post) if lowest else (f"mix{level}", self.pre)
        return draft.node(name, level, given[level], above, fusion=self.mix, ops=ops)

    def _from_below(self, draft: Draft, level: int, current: str, made: Mapping[int, str]) -> str:
        if level - 1 not in made:
            return current
        below = Edge(made[level - 1], (_HALF,))
        return draft.node(f"p{level}", level, current, below, fusion=self.mix, ops=self.post)
