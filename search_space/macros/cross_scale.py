"""Cross-scale shift: levels at one size exchange slices of channels (RCNet, Zong et al. 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.attention_pool import AttentionPool
from search_space.ops.concat import Concat
from search_space.ops.mean import Mean
from search_space.ops.resize import Resize
from search_space.ops.scale_context import ScaleContext
from search_space.ops.slice import Slice

_SHIFTS = (1, -1, 2, -2)
"""Whose slices a level receives, in levels above it; the levels form a ring."""


@dataclass(frozen=True, kw_only=True)
class CrossScale:
    """What a cross-scale shift is made of.

    Attributes:
        part: channels over those of a slice.
        meeting: level at whose size the levels meet.
        context: whether spatial and scale context follow.
        norm: after the first convolution of each level.
        act: after it.
    """

    part: int
    meeting: int
    context: bool
    norm: NormChoice
    act: str | None

    def draw(self, draft: Draft, given: Mapping[int, str], *, name: str = "p") -> dict[int, str]:
        """Draw each level plus what it received."""
        levels = sorted(given)
        width = draft.width(given[levels[0]])
        if len(levels) < 2 or self.meeting not in given or width % self.part:
            raise InvalidArchitecture(
                f"csn: needs two or more levels, {self.meeting} among them, and a width that {self.part} "
                f"divides; got levels {levels}, width {width}"
            )
        met = {
            level: draft.node(f"met{level}", self.meeting, Edge(source, _resample(level, self.meeting)))
            for level, source in given.items()
        }
        mixed = {level: self._shifted(draft, index, levels, met) for index, level in enumerate(levels)}
        if self.context:
            mixed = self._contexts(draft, mixed)
        return {
            level: draft.node(
                f"{name}{level}", level, source, Edge(mixed[level], _resample(self.meeting, level))
            )
            for level, source in given.items()
        }

    def _shifted(self, draft: Draft, index: int, levels: list[int], met: Mapping[int, str]) -> str:
        level, width = levels[index], draft.width(met[levels[0]])
        size = width // self.part
        slices = [
            Edge(met[levels[(index + shift) % len(levels)]], (Slice(start=number * size, width=size),))
            for number, shift in enumerate(_SHIFTS)
        ]
        ops = conv_norm_act(width, norm=self.norm, act=self.act) + conv_norm_act(width)
        change = draft.node(f"shift{level}", self.meeting, met[level], *slices, fusion=Concat(), ops=ops)
        return draft.node(f"shifted{level}", self.meeting, met[level], change)

    def _contexts(self, draft: Draft, mixed: Mapping[int, str]) -> dict[int, str]:
        """Add what one pixel gathers of the levels' mean, and what it gathers of each level's mean pixel."""
        pixel = AdaptivePool(form="avg", to="pixel")
        seen = [Edge(source, (pixel,)) for source in mixed.values()]
        spatial = draft.node("spatial", self.meeting, *mixed.values(), fusion=Mean(), ops=(AttentionPool(),))
        scale = draft.node("scale", self.meeting, *seen, fusion=ScaleContext())
        return {
            level: draft.node(f"context{level}", self.meeting, source, spatial, scale)
            for level, source in mixed.items()
        }


def _resample(source: int, target: int) -> tuple[Op, ...]:
    if source == target:
        return ()
    return (AdaptivePool(form="max") if source < target else Resize(mode="bilinear"),)
