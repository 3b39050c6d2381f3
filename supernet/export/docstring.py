"""What the head of a written neck says: levels, topology, cost and scores."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Protocol

from search_space.architecture import Architecture, Node
from search_space.op import Op, Size
from supernet.export.expression import LINE_LENGTH

_NOMINAL: Size = (640, 640)
_MOST_DETAILED = 16
_MOST_NODES = 64


class ScoreLike(Protocol):
    """A number with its unit, its source and its error."""

    @property
    def metric(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def stderr(self) -> float | None: ...


def docstring(
    architecture: Architecture,
    *,
    title: str,
    notes: Sequence[str],
    scores: Sequence[ScoreLike],
    name: str = "Neck",
) -> list[str]:
    """Return the lines of a module's docstring."""
    body = [*textwrap.wrap(f'"""{_plain(title)}', LINE_LENGTH), ""]
    for note in notes:
        body += [*textwrap.wrap(_plain(note), LINE_LENGTH), ""]
    body += [
        *_levels(architecture),
        "",
        *_cost(architecture),
        "",
        "Topology:",
        *_topology(architecture, name),
    ]
    if scores:
        body += ["", "Scores:", *(f"    {score_text(score)}" for score in scores)]
    return [*body, '"""']


def score_text(score: ScoreLike) -> str:
    """Return `ap 0.612 +- 0.013 (inherited)`."""
    unit = "" if score.unit in ("", "1") else f" {score.unit}"
    error = "" if score.stderr is None else f" +- {score.stderr:.3g}"
    return _plain(f"{score.metric} {number(score.value)}{error}{unit} ({score.source})")


def number(value: float) -> str:
    """Return four digits, or all of a large whole number."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1000 else f"{value:.4g}"


def _plain(text: str) -> str:
    """Return text that cannot end or bend a docstring."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def _levels(architecture: Architecture) -> Iterator[str]:
    shapes = architecture.output_shapes(_NOMINAL)
    reads = {entry.level: entry.channels for entry in architecture.inputs}
    rows = [("level", "stride", "channels in", "channels out", f"size at {_NOMINAL[0]} x {_NOMINAL[1]}")]
    for level in sorted(reads.keys() | shapes.keys()):
        out = shapes.get(level)
        size = f"{out.height} x {out.width}" if out else "-"
        rows.append(
            (str(level), str(2**level), str(reads.get(level, "-")), str(out.channels if out else "-"), size)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "    " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _cost(architecture: Architecture) -> list[str]:
    gmacs = architecture.macs(_NOMINAL) / 1e9
    widths = sorted({node.width for node in architecture.live})
    width = f"All nodes have {widths[0]} channels. " if len(widths) == 1 else ""
    text = f"{width}{architecture.parameters():,} parameters, {gmacs:.3f} GMACs at 640 x 640 (convolutions)."
    return textwrap.wrap(text, LINE_LENGTH)


def _topology(architecture: Architecture, name: str) -> Iterator[str]:
    """A line a node: all of its operations in a small neck, only what it reads in a larger one."""
    nodes = architecture.live
    detailed = len(nodes) <= _MOST_DETAILED
    same = len({node.width for node in nodes}) == 1
    for node in nodes[:_MOST_NODES]:
        width = "" if same else f", {node.width} channels"
        text = f"{node.id} (level {node.level}{width}) = {_node_text(node, detailed=detailed)}"
        yield from _wrapped(text)
    if len(nodes) > _MOST_NODES:
        yield f"    ... and {len(nodes) - _MOST_NODES} more: see `{name}.forward`"
    yield from _wrapped(", ".join(f"level {level} gives {source}" for level, source in architecture.outputs))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE_LENGTH, initial_indent="    ", subsequent_indent="        ")


def _node_text(node: Node, *, detailed: bool) -> str:
    edges = ", ".join(_chain(edge.source, edge.ops, detailed=detailed) for edge in node.inputs)
    fused = f"{node.fusion.kind}({edges})" if node.fusion and len(node.inputs) > 1 else edges
    return _chain(fused, node.ops, detailed=detailed)


def _chain(text: str, ops: Sequence[Op], *, detailed: bool) -> str:
    return " > ".join([text, *map(_op_text, ops)]) if ops and detailed else text


def _op_text(op: Op) -> str:
    kernel = getattr(op, "kernel", None)
    if kernel is None:
        return str(getattr(op, "form", None) or getattr(op, "mode", None) or op.kind)
    stride = getattr(op, "stride", 1)
    return f"{op.kind} {kernel}x{kernel}" + ("" if stride == 1 else f"/{stride}")
