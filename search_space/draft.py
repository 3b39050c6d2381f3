"""`Draft`: an architecture while it is drawn; ids, widths and inputs are kept as nodes are added."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from search_space.architecture import Architecture, Edge, Input, Node, Step, node_shape
from search_space.errors import InvalidArchitecture, LevelOutOfRange
from search_space.op import Op, Shape, Size
from search_space.ops.sum import Sum

_EXTENT = 4096
"""Nominal image extent that sizes follow from while drawing; every architecture works at any size."""


class Draft:
    """Collects nodes in topological order; `finish` returns the architecture of what was drawn."""

    def __init__(self, channels: Mapping[int, int]) -> None:
        """Draw on a backbone that offers `channels` by level."""
        self._channels = dict(channels)
        self._inputs: dict[int, Input] = {}
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {}
        self._sizes: dict[int, Size] = {}

    def feature(self, level: int) -> str:
        """Return the id of the backbone's feature map of `level`.

        Raises:
            LevelOutOfRange: the backbone has no such level.
        """
        if level not in self._channels:
            raise LevelOutOfRange(
                f"level {level} is not one of the backbone's; it offers {_offer(self._channels)}"
            )
        if level not in self._inputs:
            entry = Input(f"c{level}", level, self._channels[level])
            extent = -(-_EXTENT // 2**level)
            self._inputs[level] = entry
            self._shapes[entry.id] = Shape(entry.channels, extent, extent)
            self._sizes[level] = (extent, extent)
        return f"c{level}"

    def node(
        self, name: str, level: int, *inputs: str | Edge, fusion: Op | None = None, ops: Sequence[Op] = ()
    ) -> str:
        """Add a node and return its id; several inputs without a `fusion` are summed."""
        edges = tuple(edge if isinstance(edge, Edge) else Edge(edge) for edge in inputs)
        if fusion is None and len(edges) > 1:
            fusion = Sum()
        node = Node(name, level, 1, edges, fusion, tuple(ops))
        steps: list[Step] = []
        shape = node_shape(node, self._shapes, self._sizes.get(level), steps)
        self._nodes.append(replace(node, width=shape.channels))
        self._shapes[name] = shape
        self._sizes.setdefault(level, shape.size)
        return name

    def width(self, name: str) -> int:
        """Return the channels of an input or node."""
        return self._shapes[name].channels

    def finish(self, outputs: Mapping[int, str]) -> Architecture:
        """Return the architecture with `outputs` by level."""
        inputs = tuple(self._inputs[level] for level in sorted(self._inputs))
        return Architecture(inputs, tuple(self._nodes), tuple(sorted(outputs.items())))


def split_levels(
    channels: Mapping[int, int], levels: Sequence[int] | None, extra: int = 0
) -> tuple[list[int], list[int]]:
    """Return the output levels that the backbone offers, and the extra ones above them.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; None takes the backbone's own and `extra` more.
        extra: see `levels`.

    Raises:
        LevelOutOfRange: the backbone lacks a level of the range.
    """
    if not channels:
        raise LevelOutOfRange("the backbone offers no levels at all")
    top = max(channels)
    if levels is None:
        levels = (min(channels), top + extra)
    if len(levels) != 2 or not all(type(level) is int for level in levels) or levels[0] > levels[1]:
        raise InvalidArchitecture(f"levels are a lowest and a highest, as (3, 7); got {levels!r}")
    low, high = levels
    wanted = range(low, high + 1)
    own = [level for level in wanted if level <= top]
    missing = [level for level in own if level not in channels]
    if missing or not own:
        raise LevelOutOfRange(
            f"levels {low}-{high} need level {', '.join(map(str, missing or [low]))} of the backbone, "
            f"which offers {_offer(channels)}"
        )
    return own, [level for level in wanted if level > top]


def _offer(channels: Mapping[int, int]) -> str:
    return ", ".join(f"level {level} ({channels[level]} channels)" for level in sorted(channels)) or "none"
