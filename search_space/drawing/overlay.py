"""Two topologies in one drawing: what both have, what only one has, and what differs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.drawing.labels import fusion_symbol, marker, op_labels, sentence, shortened
from search_space.drawing.layout import BOX_WIDTH, LEAST_HEIGHT, PORT, Layout, place, stand
from search_space.drawing.picture import ROOT, Theme, arrow, band, before_tip, edge_sign, route, stylesheet

State = Literal["same", "changed", "removed", "added"]
SIGNS: Mapping[State, str] = {"same": "", "changed": "≠", "removed": "−", "added": "+"}
WORDS: Mapping[State, str] = {
    "changed": "differs",
    "removed": "only before",
    "added": "only after",
    "same": "in both",
}
LEAST_WIDTH, LEGEND_HEIGHT = 470.0, 34


@dataclass(frozen=True)
class _Side:
    """One topology: boxes and edges by name, outputs, and the columns that it has when drawn alone."""

    boxes: Mapping[str, Input | Node]
    edges: Mapping[tuple[str, str], tuple[Edge, ...]]
    outputs: frozenset[str]
    columns: Mapping[str, int]


def overlay(before: Architecture, after: Architecture, *, theme: Theme = "auto") -> str:
    """Return both topologies as one SVG text; every difference is told by sign and dash as well as by colour.

    A node is the same one where its name and its level are.
    """
    old, new = _side(before), _side(after)
    layout = _layout(old, new)
    width, height = max(layout.width, LEAST_WIDTH), layout.height + LEGEND_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" class="{ROOT}" role="img" aria-label="What differs between two necks">',
        *([] if theme == "page" else [f"<style>{stylesheet(theme)}</style>"]),
        *(band(row, width) for row in layout.rows),
        *_edges(old, new, layout),
        *_boxes(old, new, layout),
        _legend(layout.height + 20),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _side(architecture: Architecture) -> _Side:
    boxes: list[Input | Node] = [*architecture.inputs, *architecture.live]
    names = {box.id: f"{box.id} at {box.level}" for box in boxes}
    edges: dict[tuple[str, str], tuple[Edge, ...]] = {}
    for node in architecture.live:
        for edge in node.inputs:
            pair = names[edge.source], names[node.id]
            edges[pair] = (*edges.get(pair, ()), edge)
    outputs = frozenset(names[source] for _, source in architecture.outputs)
    columns = {names[box.name]: box.column for box in place(architecture).boxes.values()}
    return _Side({names[box.id]: box for box in boxes}, edges, outputs, columns)


def _layout(old: _Side, new: _Side) -> Layout:
    """Return a layout in which each node stands as far right as in either drawing, or farther for room."""
    boxes = {**old.boxes, **new.boxes}
    levels = {name: box.level for name, box in boxes.items()}
    wanted = {name: max(side.columns.get(name, 0) for side in (old, new)) for name in boxes}
    columns: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for name in sorted(boxes, key=lambda name: (wanted[name], name not in old.boxes)):
        column = wanted[name]
        while (column, levels[name]) in taken:
            column += 1
        columns[name] = column
        taken.add((column, levels[name]))
    ports = Counter(target for _, target in {*old.edges, *new.edges})
    return stand(levels, columns, {name: max(LEAST_HEIGHT, PORT * (ports[name] + 1)) for name in boxes})


def _state(before: object, after: object) -> State:
    if before is None:
        return "added"
    return "removed" if after is None else "same" if before == after else "changed"


def _edges(old: _Side, new: _Side, layout: Layout) -> Iterator[str]:
    pairs = sorted({*old.edges, *new.edges}, key=lambda pair: layout.boxes[pair[0]].y)
    ports: Counter[str] = Counter(target for _, target in pairs)
    used: Counter[str] = Counter()
    for source, target in pairs:
        used[target] += 1
        known = old.edges.get((source, target)), new.edges.get((source, target))
        line, tip, heading = route(
            layout.boxes[source], layout.boxes[target], used[target] / (ports[target] + 1), layout
        )
        ops = [op for edges in known[::-1] if edges for edge in edges for op in edge.ops]
        signs = arrow(*tip, heading) + edge_sign(marker(ops), *before_tip(tip, heading))
        yield (
            f'<g class="{_state(*known)}"><title>{escape(_edge_text(source, target, known))}</title>'
            f'<path class="edge" stroke-width="1.8" d="{line}"/>{signs}</g>'
        )


def _edge_text(source: str, target: str, known: tuple[tuple[Edge, ...] | None, ...]) -> str:
    lines = [f"{source} → {target}"]
    for word, edges in zip(("before", "after"), known, strict=True):
        said = [sentence(op) for edge in edges or () for op in edge.ops]
        lines.append(f"{word}: {'none' if edges is None else ', '.join(said) or 'as it is'}")
    return "\n".join(lines)


def _boxes(old: _Side, new: _Side, layout: Layout) -> Iterator[str]:
    for name, box in layout.boxes.items():
        known = old.boxes.get(name), new.boxes.get(name)
        said = [None if each is None else _meaning(each) for each in known]
        state = _state(*said)
        shown = known[1] or known[0]
        assert shown is not None, name
        is_output = name in old.outputs | new.outputs and state == "same"
        kind = ("box input" if isinstance(shown, Input) else "box") + (" output" if is_output else "")
        lines = [(text, style, dy) for text, style, dy in _texts(shown, known) if text]
        says = f"{name}\nbefore: {said[0] or 'none'}\nafter: {said[1] or 'none'}"
        yield (
            f'<g class="{state}"><title>{escape(says)}</title><rect class="{kind}" x="{box.x:g}" '
            f'y="{box.y:g}" width="{BOX_WIDTH}" height="{box.height:g}" rx="5"/>'
            + "".join(
                _text(box.centre, box.y + box.height / 2 + dy, text, style) for text, style, dy in lines
            )
            + _flag(state, box.x + BOX_WIDTH - 2, box.y + 2)
            + "</g>"
        )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _flag(state: State, x: float, y: float) -> str:
    """Return the sign of a difference, around a point."""
    if state == "same":
        return ""
    return f'<circle class="flag" cx="{x:g}" cy="{y:g}" r="7"/>' + _text(x, y + 4, SIGNS[state], "state")


def _meaning(box: Input | Node) -> str:
    """Return what is compared of a box: edges are compared by themselves."""
    if isinstance(box, Input):
        return f"input, {box.channels} channels"
    ops = ((box.fusion,) if box.fusion else ()) + box.ops
    return f"{box.width} channels; {', '.join(map(sentence, ops)) or 'no operation'}"


def _channels(box: Input | Node) -> int:
    return box.channels if isinstance(box, Input) else box.width


def _texts(shown: Input | Node, known: Iterable[Input | Node | None]) -> list[tuple[str, str, float]]:
    """Return (text, class, pixels below the middle) of a box's lines."""
    widths = " → ".join(dict.fromkeys(str(_channels(box)) for box in known if box))
    if isinstance(shown, Input):
        return [(f"C{shown.level}", "", -2.0), (widths, "soft", 10.0)]
    symbol = fusion_symbol(shown.fusion.kind) if shown.fusion else ""
    return [(symbol, "fusion", -8.0), (shortened(op_labels(shown.ops)), "", 4.0), (widths, "soft", 15.0)]


def _legend(y: float) -> str:
    parts = []
    for index, (state, words) in enumerate(WORDS.items()):
        x = 10 + 112 * index
        box = f'<rect class="box" x="{x}" y="{y - 10:g}" width="20" height="14" rx="3"/>'
        parts.append(
            f'<g class="{state}">{box}{_flag(state, x + 20, y - 9)}{_text(x + 32, y, words, "soft key")}</g>'
        )
    return "".join(parts)
