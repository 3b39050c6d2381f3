"""SKFF: all levels at each level's size, weighed channel by channel (MIRNet, Zamir et al. 2020)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice
from search_space.macros.paths import laterals
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.resize import Resize
from search_space.ops.selective import Selective


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    width: int = 256,
    reduction: int = 8,
    outputs: Literal["all", "lowest"] = "all",
    norm: NormChoice = None,
    act: str | None = None,
) -> Architecture:
    """Return selective-kernel fusions of all levels.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, all of the backbone; None takes its own.
        width: channels of every output.
        reduction: channels over the squeezed ones.
        outputs: a fusion at every level, or at the lowest only.
        norm: after every lateral.
        act: after every lateral.
    """
    own, above = split_levels(channels, levels)
    if above or outputs not in ("all", "lowest"):
        raise InvalidArchitecture(
            f"skff: levels are the backbone's, outputs all or lowest; got {above}, {outputs}"
        )
    draft = Draft(channels)
    given = laterals(draft, own, width, norm=norm, act=act)
    fusion = Selective(reduction=reduction)
    made: dict[int, str] = {}
    for level in own if outputs == "all" else own[:1]:
        edges = [Edge(name, _resample(source, level)) for source, name in given.items()]
        made[level] = draft.node(f"p{level}", level, *edges, fusion=fusion)
    return draft.finish(made)


def _resample(source: int, target: int) -> tuple[Op, ...]:
    if source == target:
        return ()
    return (AdaptivePool(form="avg") if source < target else Resize(mode="bilinear"),)
