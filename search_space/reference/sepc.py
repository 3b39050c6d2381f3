"""SEPC: convolutions across neighbouring levels, one set of weights for all (Wang et al. 2020).

y_l = W1 x_l + W2 (s2) x_{l-1} + up(W0 x_{l+1}); one norm over all levels' pixels; ReLU. `@pconv` stops there;
`@lite` and `@full` add a convolution each for localisation and classification, side by side in the output,
deformable above the lowest level; `@full` is deformable inside too.
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
    "pconv": {"heads": False, "deform_heads": False},
    "lite": {"heads": True, "deform_heads": True},
    "full": {"heads": True, "deform_heads": True, "deform": True},
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
    act: str | None = "relu",
) -> Architecture:
    """Return SEPC.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every level, made by an FPN; None takes inputs that already have one width.
        repeats: pyramid convolutions.
        heads: whether localisation and classification get a convolution each.
        deform: whether the pyramid convolutions are deformable above the lowest level.
        deform_heads: the same for those of `heads`.
        act: after every norm.
    """
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    if width is None:
        current = {level: draft.feature(level) for level in [*own, *above]}
    else:
        current = fpn.draw(draft, own, above, width=width, extra="p5", extra_relu=True)
    for index in range(repeats):
        current = _pyramid_conv(draft, f"pconv{index}", current, deform=deform, act=act)
    if heads:
        current = _heads(draft, current, deform=deform_heads, act=act)
    return draft.finish(current)


@dataclass(frozen=True, slots=True)
class _Shared:
    """A convolution with one set of weights for all levels, deformable above the lowest."""

    name: str
    width: int
    lowest: int
    deform: bool

    def at(self, level: int, *, stride: int = 1) -> Op:
        if not self.deform:
            return Conv(width=self.width, stride=stride, share=self.name)
        moved = level > self.lowest
        return DeformConv(width=self.width, stride=stride, bias=True, deform=moved, share=self.name)


def _pyramid_conv(
    draft: Draft, name: str, given: Mapping[int, str], *, deform: bool, act: str | None
) -> dict[int, str]:
    levels = sorted(given)
    width = draft.width(given[levels[0]])
    above, same, below = (_Shared(f"{name}_w{index}", width, levels[0], deform) for index in range(3))
    raw: dict[int, str] = {}
    for level in levels:
        edges = [Edge(given[level], (same.at(level),))]
        if level > levels[0]:
            edges.append(Edge(given[level - 1], (below.at(level - 1, stride=2),)))
        if level < levels[-1]:
            enlarge = Resize(mode="bilinear", align_corners=True)
            edges.append(Edge(given[level + 1], (above.at(level + 1), enlarge)))
        raw[level] = draft.node(f"{name}_sum{level}", level, *edges)
    return _normed(draft, name, raw, act)


def _normed(draft: Draft, name: str, raw: Mapping[int, str], act: str | None) -> dict[int, str]:
    levels = sorted(raw)
    made: dict[int, str] = {}
    for level in levels:
        norm = SetNorm(share=f"{name}_norm", updates=level == levels[0])
        inputs = [raw[level], *(raw[other] for other in levels if other != level)]
        made[level] = draft.node(f"{name}_{level}", level, *inputs, fusion=norm, ops=acts(act))
    return made


def _heads(draft: Draft, given: Mapping[int, str], *, deform: bool, act: str | None) -> dict[int, str]:
    levels = sorted(given)
    branches = []
    for name in ("loc", "cls"):
        shared = _Shared(f"{name}_conv", draft.width(given[levels[0]]), levels[0], deform)
        raw = {
            level: draft.node(f"{name}_conv{level}", level, given[level], ops=(shared.at(level),))
            for level in levels
        }
        branches.append(_normed(draft, name, raw, act))
    return {
        level: draft.node(f"out{level}", level, *(branch[level] for branch in branches), fusion=Concat())
        for level in levels
    }
