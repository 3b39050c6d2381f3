"""The canonical text of an architecture: names forgotten, dead nodes dropped, ties kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from search_space.op import Op

if TYPE_CHECKING:
    from search_space.architecture import Architecture, Node

_PLAIN_OF_ONE = frozenset({"sum", "mean", "product", "concat"})


def canonical(architecture: "Architecture") -> str:
    """Return text equal for graphs that compute the same function by the same parameters.

    Nodes are numbered by a depth-first walk from the outputs along edges in their order, which is semantic.
    A node that only hands its input on is replaced by it. Shares are numbered by first use; one used once is
    none.
    """
    aliases = _aliases(architecture)
    inputs = sorted(architecture.inputs, key=lambda entry: entry.level)
    names = {entry.id: f"i{index}" for index, entry in enumerate(inputs)}
    by_id = {node.id: node for node in architecture.nodes}
    lines = [f"{names[entry.id]}:{entry.level},{entry.channels}" for entry in inputs]
    roots = [(level, aliases.get(source, source)) for level, source in architecture.outputs]
    walks: list[list[str]] = []
    for _, root in roots:
        walks.append(list(_post_order(root, by_id, aliases, names)))
        for name in walks[-1]:
            names[name] = f"n{len(names)}"
    ties = _Ties(by_id[name] for walk in walks for name in walk)
    for (level, root), walk in zip(roots, walks, strict=True):
        lines += [_node_text(by_id[name], names, aliases, ties) for name in walk]
        lines.append(f"o{level}={names[root]}")
    return "\n".join(lines)


def _aliases(architecture: "Architecture") -> dict[str, str]:
    aliases: dict[str, str] = {}
    for node in architecture.nodes:
        plain = node.fusion is None or node.fusion.kind in _PLAIN_OF_ONE
        if len(node.inputs) == 1 and plain and not node.ops and not node.inputs[0].ops:
            source = node.inputs[0].source
            aliases[node.id] = aliases.get(source, source)
    return aliases


def _post_order(
    root: str, by_id: dict[str, "Node"], aliases: dict[str, str], done: dict[str, str]
) -> Iterator[str]:
    stack = [] if root in done else [(root, iter(by_id[root].inputs))]
    seen = {root}
    while stack:
        name, edges = stack[-1]
        for edge in edges:
            source = aliases.get(edge.source, edge.source)
            if source not in done and source not in seen:
                seen.add(source)
                stack.append((source, iter(by_id[source].inputs)))
                break
        else:
            stack.pop()
            yield name


def _node_text(node: "Node", names: dict[str, str], aliases: dict[str, str], ties: "_Ties") -> str:
    text = ties.text
    edges = ";".join(
        [
            "|".join([names[aliases.get(edge.source, edge.source)], *map(text, edge.ops)])
            for edge in node.inputs
        ]
    )
    plain = node.fusion is None or (len(node.inputs) == 1 and node.fusion.kind in _PLAIN_OF_ONE)
    fusion = "" if plain or node.fusion is None else text(node.fusion)
    return "|".join([f"{names[node.id]}:{node.level}[{edges}]{fusion}", *map(text, node.ops)])


class _Ties:
    """Numbers the shares that stand on more than one live op, in the order of first use."""

    def __init__(self, live: Iterable["Node"]) -> None:
        shares: list[str | None] = []
        for node in live:
            for edge in node.inputs:
                if edge.ops:
                    shares += [op.share for op in edge.ops]
            shares += [op.share for op in node.ops]
            if node.fusion is not None:
                shares.append(node.fusion.share)
        counts = Counter(share for share in shares if share is not None)
        self._tied = {share for share, count in counts.items() if count > 1}
        self._numbers: dict[str, int] = {}
        self.text: Callable[[Op], str] = self._numbered if self._tied else attrgetter("signature")

    def _numbered(self, op: Op) -> str:
        plain = op.signature
        if op.share is None or op.share not in self._tied:
            return plain
        return f"{plain}#{self._numbers.setdefault(op.share, len(self._numbers))}"
