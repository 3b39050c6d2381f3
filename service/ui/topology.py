"""Topologies in words, their differences, and the drawing where it stands inside a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from search_space.architecture import Architecture, Edge, Node
from search_space.drawing import draw, overlay
from search_space.op import Op


@dataclass(frozen=True)
class NodeWords:
    """One node as a row of a table."""

    id: str
    level: int
    width: int
    inputs: tuple[str, ...]
    fusion: str
    ops: str


@dataclass(frozen=True)
class Change:
    """One node in which two topologies differ; a side without it is None, ``parts`` name what differs."""

    id: str
    before: NodeWords | None
    after: NodeWords | None
    parts: tuple[str, ...]


def nodes(architecture: Architecture) -> tuple[NodeWords, ...]:
    """Return the live nodes in order."""
    return tuple(_node(node) for node in architecture.live)


def differences(before: Architecture, after: Architecture) -> list[Change]:
    """Return the nodes that only one side has, or that differ, in the order of execution."""
    old, new = ({node.id: node for node in nodes(side)} for side in (before, after))
    names = list(dict.fromkeys([*old, *new]))
    found = [_change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]
    return sorted(found, key=_place)


def drawing(architecture: Architecture) -> Markup:
    """Return the topology as SVG that may stand in a page: it is made by this program, from numbers and names
    that an architecture has checked. Its rules stand in the page's own stylesheets.
    """
    return Markup(draw(architecture, theme="page"))


def drawn_together(before: Architecture, after: Architecture) -> Markup:
    """Return two topologies in one drawing that marks where they differ, for a page."""
    return Markup(overlay(before, after, theme="page"))


def _place(change: Change) -> tuple[int, int]:
    node = change.before or change.after
    assert node is not None, change
    return (0 if change.before and change.after else 1 if change.before else 2, node.level)


def _change(name: str, before: NodeWords | None, after: NodeWords | None) -> Change:
    if before is None or after is None:
        return Change(name, before, after, ("node",))
    parts = ("level", "width", "inputs", "fusion", "ops")
    return Change(name, before, after, tuple(p for p in parts if getattr(before, p) != getattr(after, p)))


def _node(node: Node) -> NodeWords:
    fusion = "" if node.fusion is None else _op(node.fusion)
    inputs = tuple(_edge(edge) for edge in node.inputs)
    return NodeWords(node.id, node.level, node.width, inputs, fusion, _chain(node.ops))


def _edge(edge: Edge) -> str:
    return f"{edge.source} → {_chain(edge.ops)}" if edge.ops else edge.source


def _chain(ops: Sequence[Op]) -> str:
    return ", ".join(_op(op) for op in ops)


def _op(op: Op) -> str:
    """Return an operation in a few words: its form, its kind, its kernel, its stride."""
    known = vars(op)
    kind = op.kind.replace("_", " ")
    if op.kind == "conv":
        kind = f"{'depthwise ' if known.get('groups') == 0 else ''}conv {known['kernel']}×{known['kernel']}"
    elif "kernel" in known:
        kind = f"{known.get('form', '')} {kind} {known['kernel']}×{known['kernel']}".strip()
    elif known.get("form") or known.get("mode"):
        kind = f"{known.get('form') or known.get('mode')} {kind if op.kind != 'act' else ''}".strip()
    return f"{kind} /{known['stride']}" if known.get("stride", 1) != 1 else kind
