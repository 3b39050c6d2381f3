"""OPA-FPN: five pyramids, each the sum of information paths from those before it (OPANAS, Liang et al. 2021).

Pyramid 0 is the laterals, its top one plus its own global context; the output is the sum of pyramids 1 to 5.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture, near
from search_space.macros.information import PATHS, InformationPath
from search_space.macros.layers import conv_norm_act
from search_space.macros.paths import laterals
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.pool import Pool

VARIANTS: Mapping[str, Mapping[str, object]] = {"plain": {"deform": False}, "160": {"width": 160}}
SEARCHED = (
    "top_down",
    *("top_down", "top_down"),
    *("fusing_splitting", "none", "skip"),
    *("bottom_up", "skip", "none", "top_down"),
    *("bottom_up", "none", "fusing_splitting", "scale_equalizing", "bottom_up"),
)
"""The published paths, pyramid by pyramid, each from pyramids 0, 1 ..."""


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int = 112,
    paths: Sequence[str] = SEARCHED,
    deform: bool = True,
    tied: bool = True,
    context: Literal["lateral", "input", "none"] = "lateral",
    upsample: Literal["nearest", "bilinear"] = "nearest",
) -> Architecture:
    """Return an OPA-FPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: levels subsampled from the topmost output.
        width: channels of every output.
        paths: of each edge; n pyramids have n (n + 1) / 2.
        deform: whether 3x3 convolutions are deformable (version 1) above the lowest level.
        tied: whether both convolutions of a fusing-splitting path are one.
        context: what the top lateral's global context is convolved from: the lateral, the input, or left out.
        upsample: how coarser levels are enlarged.
    """
    own, above = split_levels(channels, levels, more)
    by_pyramid = _by_pyramid(paths)
    if len(own) < 2:
        raise InvalidArchitecture(f"opa_fpn: joins levels, so it needs two or more; got level {own[0]} only")
    draft = Draft(channels)
    pyramids: list[Mapping[int, str]] = [_first(draft, own, width, context)]
    for number, along in enumerate(by_pyramid, 1):
        arrived = []
        for source, kind in enumerate(along):
            name = f"n{number}_from{source}"
            path = InformationPath(name=name, width=width, deform=deform, tied=tied, upsample=upsample)
            arrived.append(path.draw(draft, kind, pyramids[source]))
        pyramids.append(_summed(draft, f"n{number}", arrived))
    made = dict(_summed(draft, "p", pyramids[1:]))
    for level in above:
        made[level] = draft.node(f"p{level}", level, made[level - 1], ops=(Pool(kernel=1, padding="none"),))
    return draft.finish(made)


def _by_pyramid(paths: Sequence[str]) -> list[Sequence[str]]:
    for kind in paths:
        if kind not in PATHS:
            raise InvalidArchitecture(f"unknown path '{kind}'{near(kind, PATHS)}")
    found: list[Sequence[str]] = []
    start = 0
    while start < len(paths):
        found.append(paths[start : start + len(found) + 1])
        start += len(found)
    if not found or len(found[-1]) != len(found) or any(set(along) == {"none"} for along in found):
        raise InvalidArchitecture(
            f"opa_fpn: {len(paths)} paths do not bring something to each of n pyramids of n (n + 1) / 2 edges"
        )
    return found


def _first(draft: Draft, own: Sequence[int], width: int, context: str) -> Mapping[int, str]:
    made = laterals(draft, own, width)
    if context == "none":
        return made
    top = own[-1]
    source = made[top] if context == "lateral" else draft.feature(top)
    pooled = Edge(source, (*conv_norm_act(width), AdaptivePool(form="avg", to="pixel")))
    return made | {top: draft.node(f"context{top}", top, made[top], pooled)}


def _summed(draft: Draft, name: str, arrived: Sequence[Mapping[int, str]]) -> Mapping[int, str]:
    some = [levels for levels in arrived if levels]
    if len(some) == 1:
        return some[0]
    return {
        level: draft.node(f"{name}_{level}", level, *(found[level] for found in some)) for level in some[0]
    }
