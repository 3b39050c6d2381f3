"""`Matcher`: which nodes of an architecture a draft has already reproduced."""

from collections.abc import Iterable

from search_space.architecture import Architecture, Node
from search_space.op import Op

_PLAIN_OF_ONE = frozenset({"sum", "mean", "product", "concat"})


class Mismatch(Exception):
    """A node that the architecture does not have."""


class Matcher:
    """Numbers the distinct nodes of an architecture by what they compute, names and ties left out.

    A draft of the same inputs is numbered alike, so that equal numbers mean equal functions.
    """

    def __init__(self, architecture: Architecture) -> None:
        """Number every live node; inputs are called `c<level>` in drafts.

        `terms` holds, by the number of a node that only adds up, what it reads.
        """
        self.architecture = architecture
        self._signatures = {step.op.signature for step in architecture.steps()}
        self._known: dict[str, int] = {}
        numbers: dict[str, int] = {}
        self.inputs: dict[str, int] = {}
        self.terms: dict[int, tuple[int, ...]] = {}
        for entry in architecture.inputs:
            name = f"c{entry.level}"
            numbers[entry.id] = self.inputs[name] = self._known.setdefault(name, len(self._known))
        for node in architecture.live:
            text = _node_text(node, numbers)
            if isinstance(text, int):
                numbers[node.id] = text
            else:
                numbers[node.id] = self._known.setdefault(text, len(self._known))
            if node.fusion is not None and node.fusion.kind == "sum" and not node.ops:
                self.terms[numbers[node.id]] = tuple(numbers[edge.source] for edge in node.inputs)
        self.outputs = {level: numbers[source] for level, source in architecture.outputs}

    def has(self, ops: Iterable[Op]) -> bool:
        """Return whether every operation stands somewhere in the architecture, shares left out."""
        return all(op.signature in self._signatures for op in ops)

    def number(self, node: Node, numbers: dict[str, int]) -> int:
        """Return the number of a draft's node, given those of the nodes it reads.

        Raises:
            Mismatch: the architecture has no such node.
        """
        text = _node_text(node, numbers)
        if isinstance(text, int):
            return text
        if text not in self._known:
            raise Mismatch(node.id)
        return self._known[text]


def _node_text(node: Node, numbers: dict[str, int]) -> str | int:
    plain = node.fusion is None or (len(node.inputs) == 1 and node.fusion.kind in _PLAIN_OF_ONE)
    if plain and not node.ops and not node.inputs[0].ops:
        return numbers[node.inputs[0].source]
    edges = ";".join(
        f"{numbers[edge.source]}" + "".join("|" + op.signature for op in edge.ops) for edge in node.inputs
    )
    fusion = "" if plain or node.fusion is None else node.fusion.signature
    return f"{node.level}[{edges}]{fusion}" + "".join("|" + op.signature for op in node.ops)
