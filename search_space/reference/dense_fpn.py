"""Dense FPN: stacks in which each level reads all coarser, then all finer ones (CATNet, Liu et al. 2021).

td_i = F(relu(x_i + sum_j>i softmax(a)_j up x_j)),
bu_i = F(relu(x_i + td_i + sum_j<i softmax(b)_j pool td_j)).
F is 1x1 -> 3x3 -> 1x1 with half the width inside; a and b are the same in all stacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.macros.paths import coarser, laterals
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.resize import Resize
from search_space.ops.spatial_context import SpatialContext
from search_space.ops.weighted_sum import WeightedSum

VARIANTS: Mapping[str, Mapping[str, object]] = {"scp": {"context": True}}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 256,
    repeats: int = 5,
    context: bool = False,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a dense FPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every node.
        repeats: stacks.
        context: whether each output passes a block of spatial context (SCP).
        norm: after every convolution.
        act: after every sum.
    """
    own, above = split_levels(channels, levels, more)
    if width % 2:
        raise InvalidArchitecture(
            f"dense_fpn: half the width is used inside, so it must be even; got {width}"
        )
    draft = Draft(channels)
    current = laterals(draft, own, width, norm=norm)
    current |= coarser(draft, above, current[own[-1]], width, norm=norm, name="lateral")
    inner = conv_norm_act(width // 2, norm=norm) + conv_norm_act(width // 2, 3, norm=norm)
    layers = _Layers((*acts(act), *inner, *conv_norm_act(width, norm=norm)))
    for index in range(repeats):
        current = _stack(draft, layers, f"stack{index}", current)
    if context:
        ops = (SpatialContext(),)
        current = {
            level: draft.node(f"context{level}", level, name, ops=ops) for level, name in current.items()
        }
    return draft.finish(current)


@dataclass(frozen=True, slots=True)
class _Layers:
    node: tuple[Op, ...]

    def gather(
        self, draft: Draft, name: str, level: int, edges: Sequence[Edge], share: str
    ) -> list[str | Edge]:
        """Return one weighted sum of several edges, or the one edge there is."""
        if len(edges) < 2:
            return list(edges)
        return [draft.node(name, level, *edges, fusion=WeightedSum(form="softmax", share=share))]


def _stack(draft: Draft, layers: _Layers, stack: str, given: Mapping[int, str]) -> dict[int, str]:
    levels = sorted(given)
    down: dict[int, str] = {}
    for level in levels:
        edges = [Edge(given[other], (Resize(mode="bilinear"),)) for other in levels if other > level]
        above = layers.gather(draft, f"{stack}_above{level}", level, edges, f"above{level}")
        down[level] = draft.node(f"{stack}_td{level}", level, given[level], *above, ops=layers.node)
    made: dict[int, str] = {}
    for level in levels:
        edges = [Edge(down[other], (AdaptivePool(form="max"),)) for other in levels if other < level]
        below = layers.gather(draft, f"{stack}_below{level}", level, edges, f"below{level}")
        inputs = (given[level], down[level], *below)
        made[level] = draft.node(f"{stack}_bu{level}", level, *inputs, ops=layers.node)
    return made
