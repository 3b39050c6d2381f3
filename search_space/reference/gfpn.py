"""GFPN: layers that read layers 1, 2, 4 ... back and both neighbours (GiraffeDet, Jiang et al. 2022).

Layers run up and down in turn. A node reads the node before it in its layer, both neighbours in the layer
before, and its own level 1, 2, 4, 8 ... layers back, side by side -> 1x1 -> SiLU -> 3x3 -> BN.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.macros.paths import laterals
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "d7": {"repeats": 7},
    "d11": {"repeats": 11},
    "d14": {"repeats": 14},
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 2,
    width: int = 256,
    inner: float = 0.7,
    repeats: int = 7,
    norm: NormChoice = "batch",
    act: str | None = "silu",
) -> Architecture:
    """Return a GFPN.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: see `levels`.
        width: channels of every output.
        inner: channels of the layers over `width`.
        repeats: depth; there are 2 * repeats - 1 layers before that of the outputs.
        norm: after every convolution but those in front of an activation.
        act: between the two convolutions of a node.
    """
    own, above = split_levels(channels, levels, more)
    if repeats < 1:
        raise InvalidArchitecture(f"gfpn: repeats must be one or more, got {repeats}")
    draft = Draft(channels)
    narrow = max(1, round(width * inner))
    first = laterals(draft, own, narrow, norm=norm)
    for level in above:
        first[level] = draft.node(f"lateral{level}", level, first[level - 1], ops=(_HALVE,))
    layers = [first]
    for index in range(2 * repeats - 1):
        node = _node(narrow, norm, act)
        layers.append(_layer(draft, f"layer{index}", layers, node, upwards=index % 2 == 0))
    made = _layer(draft, "out", layers, _node(width, norm, act), upwards=False)
    return draft.finish(made)


_HALVE = Pool(kernel=3, stride=2)


def _node(width: int, norm: NormChoice, act: str | None) -> tuple[Op, ...]:
    return (Conv(width=width, kernel=1), *acts(act), *conv_norm_act(width, 3, norm=norm))


def _layer(
    draft: Draft, name: str, layers: Sequence[Mapping[int, str]], node: tuple[Op, ...], *, upwards: bool
) -> dict[int, str]:
    levels = sorted(layers[0], reverse=not upwards)
    made: dict[int, str] = {}
    for index, level in enumerate(levels):
        edges = [_arrive(made, levels[index - 1], level)] if index else []
        edges += [
            _arrive(layers[-1], other, level) for other in (level - 1, level + 1) if other in layers[-1]
        ]
        edges += [Edge(layer[level]) for layer in _ancestors(layers)]
        made[level] = draft.node(f"{name}_{level}", level, *edges, fusion=Concat(), ops=node)
    return made


def _ancestors(layers: Sequence[Mapping[int, str]]) -> list[Mapping[int, str]]:
    """Return the layers at distance 1, 2, 4, 8 ..."""
    return [layers[-(2**power)] for power in range(len(layers).bit_length()) if 2**power <= len(layers)]


def _arrive(layer: Mapping[int, str], source: int, target: int) -> Edge:
    return Edge(layer[source], (Resize(mode="nearest") if source > target else _HALVE,))
