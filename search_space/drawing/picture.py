"""The SVG text of an architecture: no scripts, colours by the reader's light or dark theme."""

from collections.abc import Iterator
from html import escape
from typing import Literal, get_args

from search_space.architecture import Architecture, Node
from search_space.drawing.labels import FUSIONS, Marker, fusion_symbol, marker, op_labels, sentence, shortened
from search_space.drawing.layout import BOX_WIDTH, COLUMN, Box, Layout, Row, place
from search_space.errors import InvalidArchitecture

Theme = Literal["auto", "light", "dark", "page"]

_LIGHT = (
    "--ink:#17191d;--soft:#5b626c;--band:#f3f4f2;--line:#7c858f;--box:#fff;--in:#e9ebe8;--out:#0b5a9d;"
    "--new:#0a6b4b;--gone:#a8231c;--change:#8a4b00"
)
_DARK = (
    "--ink:#e9ebee;--soft:#a4adb9;--band:#1b2027;--line:#7f8a98;--box:#232a33;--in:#2f3742;--out:#74b6ee;"
    "--new:#5cc79d;--gone:#ff9389;--change:#f0b15c"
)
ROOT = "neck-drawing"
"""Class of the root: no rule reaches beyond it where a drawing stands inside a page."""
_RULES = {
    "text": 'font:10px ui-sans-serif,system-ui,"DejaVu Sans",sans-serif;fill:var(--ink);text-anchor:middle',
    ".level": "font-size:12px;font-weight:600;text-anchor:start",
    ".soft": "fill:var(--soft);font-size:9px",
    ".stride": "text-anchor:start",
    ".key": "text-anchor:start",
    ".fusion": "font-size:13px;font-weight:600",
    ".band": "fill:var(--band)",
    ".box": "fill:var(--box);stroke:var(--line)",
    ".input": "fill:var(--in)",
    ".output": "stroke:var(--out);stroke-width:2.2",
    ".edge": "fill:none;stroke:var(--line);stroke-opacity:.75",
    ".mark": "fill:var(--ink)",
    ".ring": "fill:var(--box);stroke:var(--ink)",
    ".same": "opacity:.5",
    ".changed>.box": "stroke:var(--change);stroke-width:2.2",
    ".changed>.edge": "stroke:var(--change);stroke-opacity:1;stroke-dasharray:2 3",
    ".removed>.box,{root} .removed>.edge": "stroke:var(--gone);stroke-opacity:1;stroke-dasharray:6 4",
    ".added>.box": "stroke:var(--new);stroke-width:2.2",
    ".added>.edge": "stroke:var(--new);stroke-opacity:1",
    ".flag": "fill:var(--change)",
    ".added>.flag": "fill:var(--new)",
    ".removed>.flag": "fill:var(--gone)",
    ".state": "font-size:12px;font-weight:700;fill:var(--box)",
    "g:hover>.edge": "stroke:var(--out);stroke-opacity:1",
    "g:hover>.box": "stroke:var(--out)",
}
_LEGEND_HEIGHT = 34


def draw(architecture: Architecture, *, theme: Theme = "auto") -> str:
    """Return the drawing of `architecture` as SVG text.

    Rows are levels, the coarsest on top; columns are depth. A line's weight is the channels it carries, a
    sign on it says that it convolves. Nodes that no output depends on are left out.

    Args:
        architecture: to be drawn; readable up to some sixty nodes.
        theme: light, dark, as the reader's system prefers, or with no style of its own, for a page that holds
            `stylesheet` and forbids styles within its text.

    Raises:
        InvalidArchitecture: no such theme.
    """
    if theme not in get_args(Theme):
        raise InvalidArchitecture(f"unknown theme '{theme}'; known: {', '.join(get_args(Theme))}")
    layout = place(architecture)
    legend, least = _legend(architecture, layout.height + 20)
    width = max(layout.width, least)
    height = layout.height + _LEGEND_HEIGHT
    live = len(architecture.live)
    says = f"A neck of {live} nodes over levels {', '.join(str(row.level) for row in layout.rows)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" class="{ROOT}" role="img" aria-label="{escape(says)}">',
        f"<title>{escape(says)}</title>",
        *([] if theme == "page" else [f"<style>{stylesheet(theme)}</style>"]),
        *(band(row, width) for row in layout.rows),
        *_edges(architecture, layout),
        *_boxes(architecture, layout),
        legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def stylesheet(theme: Theme = "auto") -> str:
    """Return the rules of a drawing; a page that marks its root with `data-theme` decides over the system."""
    root = f".{ROOT}"
    colours = f"{root}{{{_DARK if theme == 'dark' else _LIGHT}}}"
    if theme in ("auto", "page"):
        colours += f"@media (prefers-color-scheme:dark){{{root}{{{_DARK}}}}}"
        for name, values in (("light", _LIGHT), ("dark", _DARK)):
            colours += f':root[data-theme="{name}"] {root}{{{values}}}'
    return colours + "".join(
        f"{root} {part.replace('{root}', root)}{{{rule}}}" for part, rule in _RULES.items()
    )


def band(row: Row, width: float) -> str:
    """Return the row of a level with its name."""
    y = row.y + 3
    middle = row.y + row.height / 2
    return (
        f'<rect class="band" x="2" y="{y:g}" width="{width - 4:g}" height="{row.height - 6:g}" rx="4"/>'
        f'<text class="level" x="10" y="{middle:g}">P{row.level}</text>'
        f'<text class="soft stride" x="10" y="{middle + 12:g}">1/{2**row.level}</text>'
    )


def _weight(channels: int, most: int) -> float:
    """Pixels of a line that carries `channels` where the widest carries `most`."""
    return 1 + 2.6 * channels / most


def _edges(architecture: Architecture, layout: Layout) -> Iterator[str]:
    channels = {entry.id: entry.channels for entry in architecture.inputs}
    channels |= {node.id: node.width for node in architecture.live}
    most = max(channels.values())
    for node in architecture.live:
        sides = _sides(node, layout)
        for index, edge in enumerate(node.inputs):
            start, target = layout.boxes[edge.source], layout.boxes[node.id]
            path, tip, heading = route(start, target, sides[index], layout)
            weight = _weight(channels[edge.source], most)
            says = f"{edge.source} → {node.id}: {channels[edge.source]} channels"
            if edge.ops:
                says += "\n" + "\n".join(sentence(op) for op in edge.ops)
            signs = arrow(*tip, heading) + edge_sign(marker(edge.ops), *before_tip(tip, heading))
            yield (
                f'<g><title>{escape(says)}</title><path class="edge" stroke-width="{weight:.2g}" d="{path}"/>'
                f"{signs}</g>"
            )


def _sides(node: Node, layout: Layout) -> list[float]:
    """Return where on the left side each edge arrives, as a share of the height, in the order of sources."""
    target = layout.boxes[node.id]
    from_left = [
        index for index, edge in enumerate(node.inputs) if layout.boxes[edge.source].column != target.column
    ]
    by_height = sorted(from_left, key=lambda index: layout.boxes[node.inputs[index].source].y)
    found = [0.5] * len(node.inputs)
    for position, index in enumerate(by_height, 1):
        found[index] = position / (len(by_height) + 1)
    return found


Point = tuple[float, float]
Heading = Literal["right", "up", "down"]


def route(start: Box, target: Box, side: float, layout: Layout) -> tuple[str, Point, Heading]:
    """Return the path of an edge, its end, and where it heads there."""
    if start.column == target.column:
        down = start.y < target.y
        y1 = start.y + start.height if down else start.y
        y2 = target.y if down else target.y + target.height
        return f"M{start.centre:g} {y1:g}V{y2:g}", (start.centre, y2), "down" if down else "up"
    (x1, y1), x2, y2 = start.right, target.x, target.y + target.height * side
    if start.level == target.level and _between(start, target, layout):
        lift = min(start.y, target.y) - 7 - 1.5 * min(4, target.column - start.column)
        bend = COLUMN * 0.32
        rise = f"C{x1 + bend * 0.8:g} {y1:g} {x1 + bend * 0.2:g} {lift:g} {x1 + bend:g} {lift:g}"
        fall = f"C{x2 - bend * 0.2:g} {lift:g} {x2 - bend * 0.8:g} {y2:g} {x2:g} {y2:g}"
        return f"M{x1:g} {y1:g}{rise}H{x2 - bend:g}{fall}", (x2, y2), "right"
    reach = min(x2 - x1, 2.0 * COLUMN) * 0.5
    return f"M{x1:g} {y1:g}C{x1 + reach:g} {y1:g} {x2 - reach:g} {y2:g} {x2:g} {y2:g}", (x2, y2), "right"


def _between(start: Box, target: Box, layout: Layout) -> bool:
    return any(
        box.level == start.level and start.column < box.column < target.column
        for box in layout.boxes.values()
    )


def arrow(x: float, y: float, heading: Heading) -> str:
    """Return the head of an edge that ends at a point."""
    if heading == "right":
        return f'<path class="mark" d="M{x:g} {y:g}l-6 -2.8v5.6Z"/>'
    back = -6 if heading == "down" else 6
    return f'<path class="mark" d="M{x:g} {y:g}l-2.8 {back}h5.6Z"/>'


def before_tip(tip: Point, heading: Heading) -> Point:
    """Return where an edge's sign stands: behind its arrow."""
    x, y = tip
    return {"right": (x - 11, y), "down": (x, y - 11), "up": (x, y + 11)}[heading]


def edge_sign(sign: Marker, x: float, y: float) -> str:
    """Return the sign of what an edge does, around a point."""
    if sign == "conv":
        return f'<rect class="mark" x="{x - 3:g}" y="{y - 3:g}" width="6" height="6"/>'
    return f'<circle class="ring" cx="{x:g}" cy="{y:g}" r="2.6"/>' if sign == "other" else ""


def _boxes(architecture: Architecture, layout: Layout) -> Iterator[str]:
    outputs = {source for _, source in architecture.outputs}
    for entry in architecture.inputs:
        says = f"{entry.id}: input of level {entry.level}, {entry.channels} channels"
        style = "box input output" if entry.id in outputs else "box input"
        yield _box(layout.boxes[entry.id], style, says, "", f"C{entry.level}", str(entry.channels))
    for node in architecture.live:
        style = "box output" if node.id in outputs else "box"
        symbol = fusion_symbol(node.fusion.kind) if node.fusion else ""
        alone = () if symbol else node.inputs[0].ops
        label = shortened(op_labels((*alone, *node.ops)))
        yield _box(layout.boxes[node.id], style, _node_text(node), symbol, label, str(node.width))


def _node_text(node: Node) -> str:
    lines = [f"{node.id}: level {node.level}, {node.width} channels"]
    lines += [f"reads {', '.join(edge.source for edge in node.inputs)}"]
    lines += [sentence(op) for op in ((node.fusion,) if node.fusion else ()) + node.ops]
    return "\n".join(lines)


def _box(box: Box, style: str, says: str, symbol: str, label: str, channels: str) -> str:
    lines = [(symbol, "fusion")] if symbol else []
    lines += [(label, "")] if label else []
    lines += [(channels, "soft")]
    middle = box.y + box.height / 2 - 5.5 * (len(lines) - 1) + 3
    texts = "".join(
        f'<text class="{style_of}" x="{box.centre:g}" y="{middle + 11 * index:g}">{escape(text)}</text>'
        for index, (text, style_of) in enumerate(lines)
    )
    return (
        f'<g><title>{escape(says)}</title><rect class="{style}" x="{box.x:g}" y="{box.y:g}" '
        f'width="{BOX_WIDTH}" height="{box.height:g}" rx="5"/>{texts}</g>'
    )


def _legend(architecture: Architecture, y: float) -> tuple[str, float]:
    """Return the key to the signs in use, and its width in pixels."""
    kinds = sorted({node.fusion.kind for node in architecture.live if node.fusion})
    signs = {marker(edge.ops) for node in architecture.live for edge in node.inputs}
    parts: list[str] = []
    x = 10.0
    for sign, text in (("conv", "convolves on the way"), ("other", "does more than resample")):
        if sign in signs:
            parts.append(edge_sign(sign, x + 4, y - 3) + _key(text, x + 13, y))
            x += 26 + 4.8 * len(text)
    for symbol, text in (FUSIONS.get(kind, (kind, kind)) for kind in kinds):
        parts.append(f'<text class="key" x="{x:g}" y="{y:g}">{escape(symbol)}</text>' + _key(text, x + 15, y))
        x += 28 + 4.8 * len(text)
    parts.append(f'<rect class="box output" x="{x:g}" y="{y - 9:g}" width="12" height="11" rx="3"/>')
    last = "output; number and line weight: channels"
    parts.append(_key(last, x + 18, y))
    return "".join(parts), x + 26 + 4.8 * len(last)


def _key(text: str, x: float, y: float) -> str:
    return f'<text class="soft key" x="{x:g}" y="{y:g}">{escape(text)}</text>'
