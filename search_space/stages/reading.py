"""Reading the merging cells of an architecture's last stack off its graph."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from search_space.architecture import Architecture, Node
from search_space.op import Op
from search_space.stages.cells import Cell, Merging

Reading = tuple[list[Cell], list[Cell]]
"""Intermediate and output cells of a stack, numbered behind its inputs without gaps."""


class _Found(NamedTuple):
    """A cell of the graph: what it merges, in the order of the graph, and all that it reads."""

    level: int
    fusion: str
    pair: tuple[str, str]
    reads: frozenset[str]


def readings(
    architecture: Architecture,
    merging: Merging,
    levels: Sequence[int],
    merges: Sequence[int],
    stacks: int,
) -> Iterator[Reading]:
    """Yield what the last of `stacks` equal stacks may consist of; what the edges do is not looked at.

    Args:
        architecture: that is read.
        merging: says what stands after each cell.
        levels: of the outputs.
        merges: how many intermediate cells a stack may have.
        stacks: how many stacks there are.
    """
    by_id = {node.id: node for node in architecture.live}
    level_of = {entry.id: entry.level for entry in architecture.inputs}
    level_of |= {node.id: node.level for node in architecture.live}
    mark = [op.signature for op in merging.operation("")]
    cells = {name: found for name, node in by_id.items() if (found := _read(node, by_id, mark))}
    count, rest = divmod(len(cells), stacks)
    if rest or count - len(levels) not in merges:
        return
    outputs = [name for _, name in architecture.outputs]
    others = [name for name in cells if name not in outputs][-_REACH:]
    if any(name not in cells for name in outputs):
        return
    for middle in combinations(others, count - len(levels)):
        stack = {name: cells[name] for name in (*middle, *outputs)}
        given = {name for cell in stack.values() for name in cell.reads} - set(stack)
        if sorted(level_of[name] for name in given) == list(levels):
            inputs = sorted(given, key=lambda name: level_of[name])
            yield from _ordered(stack, inputs, middle, outputs)


_REACH = 24
"""How many cells before the end the last stack's intermediate ones are looked for."""


def _read(node: Node, by_id: dict[str, Node], mark: Sequence[str]) -> _Found | None:
    """Return the cell that ends in `node`, if one does."""
    if node.fusion is None or [op.signature for op in node.ops] != mark:
        return None
    merged, names = node, [edge.source for edge in node.inputs]
    inner = by_id.get(names[0])
    if inner is not None and _is_gate(inner.fusion) and not inner.ops and node.fusion.kind == "sum":
        merged = inner
    pair = [edge.source for edge in merged.inputs][:2]
    if len(pair) < 2:
        return None
    reads = frozenset(pair) | (frozenset(names) - {merged.id})
    return _Found(node.level, "gate" if _is_gate(merged.fusion) else "sum", (pair[0], pair[1]), reads)


def _is_gate(fusion: Op | None) -> bool:
    return fusion is not None and fusion.kind == "gate"


def _ordered(
    stack: dict[str, _Found], inputs: list[str], middle: Sequence[str], outputs: Sequence[str]
) -> Iterator[Reading]:
    """Yield the cells in every order in which each stands behind what it reads."""
    slots = {name: slot for slot, name in enumerate(inputs)}

    def placed(waiting: tuple[Sequence[str], ...], found: list[Cell]) -> Iterator[list[Cell]]:
        if not any(waiting):
            yield found
            return
        now, later = (waiting[0], waiting[1:]) if waiting[0] else (waiting[1], waiting[2:])
        for name in now:
            cell = stack[name]
            if all(source in slots for source in cell.pair):
                first, second = (slots[source] for source in cell.pair)
                if cell.fusion == "sum" and first >= second:
                    continue
                slots[name] = len(slots)
                rest = [other for other in now if other != name]
                made = Cell(cell.level, cell.fusion, min(first, second), max(first, second))
                yield from placed((rest, *later), [*found, made])
                del slots[name]

    for cells in placed((list(middle), list(outputs)), []):
        yield cells[: len(middle)], cells[len(middle) :]
