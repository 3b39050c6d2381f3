"""Stretches of nodes that repeat, which a person would write once, as a class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from search_space.architecture import Architecture
from supernet.export import naming
from supernet.export.expression import leaves, skeleton
from supernet.export.runs import NodeRuns, Run

_WORTH = 10
"""Lines that writing a stretch once must save."""
_OVERHEAD = 7
_NAMED = 6
"""What it is worth that the nodes of each stretch have a name in common."""
_MOST_TENSORS = 8
_WIDTHS = {"in_channels", "out_channels", "num_features", "num_channels", "groups", "channels", "width"}


@dataclass(frozen=True)
class Stretch:
    """Nodes that follow one another.

    Attributes:
        externals: what they read from outside, by level.
        results: ids of the nodes that something outside reads.
    """

    nodes: tuple[NodeRuns, ...]
    externals: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Repeat:
    """Stretches of one form, by the index of their first node; `results` are positions within a stretch."""

    stretches: Mapping[int, Stretch]
    length: int
    results: tuple[int, ...]
    tied: bool
    """Whether all of them hold the same weights."""


def repeats(architecture: Architecture, nodes: Sequence[NodeRuns]) -> list[Repeat]:
    """Return the stretches worth a class of their own; none overlaps another."""
    finder = _Finder(architecture, nodes)
    found: list[Repeat] = []
    free = [True] * len(nodes)
    while (best := finder.best(free)) is not None:
        found.append(best)
        for start in best.stretches:
            free[start : start + best.length] = [False] * best.length
    return found


class _Finder:
    def __init__(self, architecture: Architecture, nodes: Sequence[NodeRuns]) -> None:
        self._nodes = nodes
        self._index = {entry.node.id: i for i, entry in enumerate(nodes)}
        self._levels = {entry.id: entry.level for entry in architecture.inputs}
        self._levels |= {node.id: node.level for node in architecture.live}
        self._forms = [_node_form(entry) for entry in nodes]
        self._lines = [1 + sum(bool(run.layers) for run in entry.all()) for entry in nodes]
        self._readers: dict[str, set[int]] = {}
        for i, entry in enumerate(nodes):
            for edge in entry.edges:
                self._readers.setdefault(edge.source, set()).add(i)
        for _, source in architecture.outputs:
            self._readers.setdefault(source, set()).add(len(nodes))
        self._refused: set[tuple[int, int]] = set()

    def best(self, free: Sequence[bool]) -> Repeat | None:
        """Return the repeat that saves most lines."""
        candidates: list[tuple[int, int, list[int]]] = []
        for length in range(2, len(self._nodes) // 2 + 1):
            for starts in self._groups(length, free):
                lines = sum(self._lines[starts[0] : starts[0] + length])
                saved = (len(starts) - 1) * lines - 2 * len(starts) - _OVERHEAD
                saved += _NAMED if all(self._stem(start, length) for start in starts) else 0
                if saved >= _WORTH:
                    candidates.append((saved, length, starts))
        for _, length, starts in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
            made = self._make(length, starts)
            if made is not None:
                return made
        return None

    def _stem(self, start: int, length: int) -> str:
        return stem([entry.node.id for entry in self._nodes[start : start + length]])

    def _groups(self, length: int, free: Sequence[bool]) -> list[list[int]]:
        groups: dict[object, list[int]] = {}
        for start in range(len(self._nodes) - length + 1):
            if all(free[start : start + length]):
                starts = groups.setdefault(self._form(start, length), [])
                if not starts or starts[-1] + length <= start:
                    starts.append(start)
        return [starts for starts in groups.values() if len(starts) > 1]

    def _form(self, start: int, length: int) -> object:
        externals: dict[str, int] = {}
        levels: dict[int, int] = {}
        parts: list[object] = []
        for i in range(start, start + length):
            entry = self._nodes[i]
            refs: list[tuple[int, int]] = []
            for edge in entry.edges:
                at = self._index.get(edge.source, -1)
                inside = start <= at
                ref = at - start if inside else ~externals.setdefault(edge.source, len(externals))
                level = levels.setdefault(self._levels[edge.source], len(levels))
                refs.append((ref, level))
            parts.append((self._forms[i], tuple(refs), levels.setdefault(entry.node.level, len(levels))))
        return tuple(parts)

    def _make(self, length: int, starts: Sequence[int]) -> Repeat | None:
        tied = self._tied(length, starts)
        if tied is None:
            return None
        results = sorted({i - start for start in starts for i in self._results(start, length)})
        stretches = {start: self._stretch(start, length, results) for start in starts}
        first = stretches[starts[0]].externals
        order = sorted(range(len(first)), key=lambda i: self._levels[first[i]])
        stretches = {
            start: replace(stretch, externals=tuple(stretch.externals[i] for i in order))
            for start, stretch in stretches.items()
        }
        externals = max(len(stretch.externals) for stretch in stretches.values())
        if max(externals, len(results)) > _MOST_TENSORS:
            return None
        return Repeat(stretches, length, tuple(results), tied)

    def _results(self, start: int, length: int) -> list[int]:
        inside = range(start, start + length)
        readers = [self._readers.get(self._nodes[i].node.id, set()) for i in inside]
        return [i for i, reads in zip(inside, readers, strict=True) if any(r not in inside for r in reads)]

    def _stretch(self, start: int, length: int, results: Sequence[int]) -> Stretch:
        nodes = tuple(self._nodes[start : start + length])
        inside = {entry.node.id for entry in nodes}
        sources = [edge.source for entry in nodes for edge in entry.edges if edge.source not in inside]
        return Stretch(nodes, tuple(dict.fromkeys(sources)), tuple(nodes[i].node.id for i in results))

    def _tied(self, length: int, starts: Sequence[int]) -> bool | None:
        """Return whether the stretches hold the same weights; None where they share some but not all."""
        owners: dict[tuple[str, ...], list[int]] = {}
        for i, entry in enumerate(self._nodes):
            for run in entry.all():
                if run.tie is not None:
                    owners.setdefault(run.tie, []).append(i)
        tied = {tie for tie, users in owners.items() if len(users) > 1}
        held = [self._held(start, length, tied) for start in starts]
        if all(not any(t for t in ties) for ties in held):
            return False
        same = all(ties == held[0] for ties in held) and all(held[0])
        inside = {i for start in starts for i in range(start, start + length)}
        closed = all(set(users) <= inside for tie, users in owners.items() if tie in held[0])
        return True if same and closed else None

    def _held(self, start: int, length: int, tied: set[tuple[str, ...]]) -> list[tuple[str, ...] | None]:
        runs = (run for entry in self._nodes[start : start + length] for run in entry.all() if run.layers)
        return [run.tie if run.tie in tied else None for run in runs]


def _node_form(entry: NodeRuns) -> object:
    edges = tuple(tuple(map(_run_form, edge.runs)) for edge in entry.edges)
    fusion = None if entry.fusion is None else _run_form(entry.fusion)
    return edges, fusion, tuple(map(_run_form, entry.runs))


def _run_form(run: Run) -> object:
    if not run.layers:
        return run.steps[0].op.signature
    return tuple(
        (layer.role, skeleton(layer.call), tuple((n, v) for n, v in leaves(layer.call) if n not in _WIDTHS))
        for layer in run.layers
    )


def stem(names: Sequence[str]) -> str:
    """Return the words that all names start with, as `cell_2` of `cell_2_p3` and `cell_2_p4`."""
    split = [name.split("_") for name in names]
    kept: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        kept.append(parts[0])
    return "_".join(kept[: max(0, min(map(len, split)) - 1)])


def local_names(names: Sequence[str]) -> list[str]:
    """Return the names without their common stem; `p_3`, `p_4` give `p3`, `p4`."""
    start = stem(names)
    last = start.rsplit("_", 1)[-1]
    short = [name[len(start) + 1 :] if start else name for name in names]
    return [naming.local(name if name.isidentifier() else f"{last}{name}") for name in short]
