"""SEPC: convolutions across neighbouring levels, one set of weights for all (Wang et al. 2020).

y_l = W1 x_l + W2 (s2) x_{l-1} + up(W0 x_{l+1}); one norm over all levels' pixels; ReLU. Then a convolution
each for localisation and classification, side by side in the output. `@pconv` has no norms; `@lite` has these
two convolutions deformable where they make a level above the lowest, `@full` the others too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.macros.layers import acts
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.resize import Resize
from search_space.ops.set_norm import SetNorm
from search_space.reference import fpn

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "pconv": {"deform_heads": False, "integrated_norm": False},
    "ibn": {"deform_heads": False},
    "lite": {},
    "full": {"deform": True},
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int | None = 256,
    repeats: int = 4,
    heads: bool = True,
    deform: bool = False,
    deform_heads: bool = True,
    integrated_norm: bool = True,
    act: str | None = "relu",
) -> Architecture:
    """Return SEPC.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every level, made by an FPN whose upper levels come from the backbone's highest;
            None takes inputs that already have one width.
        repeats: pyramid convolutions.
        heads: whether localisation and classification get a convolution each.
        deform: whether the pyramid convolutions are deformable where they make a level above the lowest.
        deform_heads: the same for those of `heads`.
        integrated_norm: whether a norm over all levels' pixels follows each pyramid convolution and head.
        act: after every norm.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    if width is None:
        current = {level: draft.feature(level) for level in [*own, *above]}
    else:
        current = fpn.draw(draft, own, above, width=width, extra="c5")
    after = _After(integrated_norm, act)
    for index in range(repeats):
        current = _pyramid_conv(draft, f"pconv{index}", current, after, deform=deform)
    if heads:
        current = _heads(draft, current, after, deform=deform_heads)
    return draft.finish(current)


@dataclass(frozen=True, slots=True)
class _Shared:
    """A convolution with one set of weights for all levels, deformable where it makes a higher one."""

    name: str
    width: int
    lowest: int
    deform: bool

    def to(self, level: int, *, stride: int = 1) -> Op:
        """Return the convolution of a tensor on its way to `level`."""
        if not self.deform:
            return Conv(width=self.width, stride=stride, share=self.name)
        moved = level > self.lowest
        return DeformConv(width=self.width, stride=stride, bias=True, deform=moved, share=self.name)


@dataclass(frozen=True, slots=True)
class _After:
    """What follows a convolution of all levels: one norm of all, or none, and an activation."""

    norm: bool
    act: str | None

    def draw(self, draft: Draft, name: str, raw: Mapping[int, str]) -> dict[int, str]:
        levels = sorted(raw)
        ops = acts(self.act)
        made: dict[int, str] = {}
        for level in levels:
            inputs, norm = [raw[level]], None
            if self.norm:
                norm = SetNorm(share=f"{name}_norm", updates=level == levels[0])
                inputs += [raw[other] for other in levels if other != level]
            made[level] = draft.node(f"{name}_{level}", level, *inputs, fusion=norm, ops=ops)
        return made


def _pyramid_conv(
    draft: Draft, name: str, given: Mapping[int, str], after: _After, *, deform: bool
) -> dict[int, str]:
    levels = sorted(given)
    width = draft.width(given[levels[0]])
    above, same, below = (_Shared(f"{name}_w{index}", width, levels[0], deform) for index in range(3))
    raw: dict[int, str] = {}
    for level in levels:
        edges = [Edge(given[level], (same.to(level),))]
        if level > levels[0]:
            edges.append(Edge(given[level - 1], (below.to(level, stride=2),)))
        if level < levels[-1]:
            enlarge = Resize(mode="bilinear", align_corners=True)
            edges.append(Edge(given[level + 1], (above.to(level), enlarge)))
        raw[level] = draft.node(f"{name}_sum{level}", level, *edges)
    return after.draw(draft, name, raw)


def _heads(draft: Draft, given: Mapping[int, str], after: _After, *, deform: bool) -> dict[int, str]:
    levels = sorted(given)
    branches = []
    for name in ("loc", "cls"):
        shared = _Shared(f"{name}_conv", draft.width(given[levels[0]]), levels[0], deform)
        raw = {
            level: draft.node(f"{name}_conv{level}", level, given[level], ops=(shared.to(level),))
            for level in levels
        }
        branches.append(after.draw(draft, name, raw))
    return {
        level: draft.node(f"out{level}", level, *(branch[level] for branch in branches), fusion=Concat())
        for level in levels
    }
