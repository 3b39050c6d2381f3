"""BFP: every level gets back what the mean of all levels became (Libra R-CNN, Pang et al. 2019).

The levels meet at the refine level (adaptive max-pool or nearest), are averaged and refined; each gets the
result back, resized: out_i = in_i + resized.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, LevelOutOfRange, near
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.dot_attention import DotAttention
from search_space.ops.mean import Mean
from search_space.ops.resize import Resize
from search_space.reference import fpn

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "conv": {"refine": "conv"},
    "non_local": {"refine": "non_local"},
}
_REFINES = ("none", "conv", "non_local")


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 256,
    after: Literal["fpn", "inputs"] = "fpn",
    refine: Literal["none", "conv", "non_local"] = "none",
    refine_level: int | None = None,
    norm: NormChoice = None,
    act: str | None = None,
    refine_act: str | None = "relu",
) -> Architecture:
    """Return a BFP.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        after: what is balanced: an FPN's outputs, or inputs that already have one width.
        refine: nothing, a 3x3 convolution, or a non-local block.
        refine_level: where the levels meet; None is the middle one.
        norm: after every convolution but those that attend.
        act: after every convolution of the FPN.
        refine_act: after the 3x3 convolution that refines.
    """
    if refine not in _REFINES:
        raise InvalidArchitecture(f"unknown refine '{refine}'{near(refine, _REFINES)}")
    own, above = split_levels(channels, levels, more)
    draft = Draft(channels)
    if after == "fpn":
        given = fpn.draw(draft, own, above, width=width, norm=norm, act=act)
    else:
        given = {level: draft.feature(level) for level in [*own, *above]}
    middle = sorted(given)[(len(given) - 1) // 2 if len(given) % 2 else len(given) // 2]
    middle = middle if refine_level is None else refine_level
    if middle not in given:
        raise LevelOutOfRange(f"refine_level {middle} is not one of the levels {sorted(given)}")
    edges = [Edge(given[level], _resample(level, middle)) for level in sorted(given)]
    balanced = draft.node("balance", middle, *edges, fusion=Mean())
    balanced = _refined(draft, middle, balanced, refine, norm, refine_act)
    made = {
        level: draft.node(f"out{level}", level, source, Edge(balanced, _resample(middle, level)))
        for level, source in given.items()
    }
    return draft.finish(made)


def _resample(source: int, target: int) -> tuple[Op, ...]:
    if source == target:
        return ()
    return (AdaptivePool(form="max") if source < target else Resize(mode="nearest"),)


def _refined(draft: Draft, level: int, source: str, refine: str, norm: NormChoice, act: str | None) -> str:
    width = draft.width(source)
    if refine == "none":
        return source
    if refine == "conv":
        return draft.node("refine", level, source, ops=conv_norm_act(width, 3, norm=norm, act=act))
    parts = [draft.node(name, level, source, ops=conv_norm_act(width)) for name in ("query", "key", "value")]
    mixed = draft.node("attend", level, *parts, fusion=DotAttention(), ops=conv_norm_act(width, norm=norm))
    return draft.node("refine", level, source, mixed)
