"""The operations of an architecture in the pieces that a person would write: modules and calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from search_space.architecture import Architecture, Node, Step
from supernet.export import source_ops
from supernet.export.source_ops import Layer


@dataclass(frozen=True)
class Run:
    """Operations that follow one another: one module (`layers`), or one expression (`layers` is empty)."""

    steps: tuple[Step, ...]
    layers: tuple[Layer, ...] = ()

    @property
    def tie(self) -> tuple[str, ...] | None:
        """The shares of its weights; None where it holds any of its own."""
        shares = tuple(step.op.share for step in self.steps if holds(step))
        return tuple(share for share in shares if share) if all(shares) and shares else None


@dataclass(frozen=True)
class EdgeRuns:
    """An edge: what it reads and what happens on the way."""

    source: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class NodeRuns:
    """A node as it will be written."""

    node: Node
    edges: tuple[EdgeRuns, ...]
    fusion: Run | None
    runs: tuple[Run, ...]

    def all(self) -> Iterator[Run]:
        """Yield every run of the node in the order of execution."""
        for edge in self.edges:
            yield from edge.runs
        if self.fusion is not None:
            yield self.fusion
        yield from self.runs


def holds(step: Step) -> bool:
    """Return whether the operation holds tensors."""
    return bool(step.op.weights(step.inputs) or step.op.buffers(step.inputs))


@lru_cache(maxsize=64)
def node_runs(architecture: Architecture) -> tuple[NodeRuns, ...]:
    """Return the live nodes in pieces; tied pieces hold exactly the same operations."""
    split = _split_ties(architecture)
    steps = iter(architecture.steps())

    def runs(count: int) -> tuple[Run, ...]:
        return tuple(_runs([next(steps) for _ in range(count)], split))

    found: list[NodeRuns] = []
    for node in architecture.live:
        edges = tuple(EdgeRuns(edge.source, runs(len(edge.ops))) for edge in node.inputs)
        fusion = runs(1)[0] if node.fusion else None
        found.append(NodeRuns(node, edges, fusion, runs(len(node.ops))))
    return tuple(found)


def _runs(steps: Sequence[Step], split: frozenset[str]) -> Iterator[Run]:
    waiting: list[tuple[Step, Layer]] = []
    for step in steps:
        layer = source_ops.layer(step.op, step.inputs)
        if layer is not None and not (step.op.share in split or layer.after):
            waiting.append((step, layer))
            continue
        yield from _flush(waiting)
        waiting = []
        yield Run((step,), () if layer is None else (layer,))
    yield from _flush(waiting)


def _flush(waiting: Sequence[tuple[Step, Layer]]) -> Iterator[Run]:
    """Stateless operations at the ends stay outside of the module where nothing in it holds tensors."""
    if any(holds(step) for step, _ in waiting):
        yield Run(tuple(step for step, _ in waiting), tuple(layer for _, layer in waiting))
    else:
        yield from (Run((step,)) for step, _ in waiting)


def _split_ties(architecture: Architecture) -> frozenset[str]:
    """Return the shares that cannot stand in a block: their neighbours are not tied in the same way.

    Splitting one block may part another, so this is repeated until nothing changes.
    """
    uses: dict[str, int] = {}
    for step in architecture.steps():
        if step.op.share and holds(step):
            uses[step.op.share] = uses.get(step.op.share, 0) + 1
    tied = {share for share, count in uses.items() if count > 1}
    split: frozenset[str] = frozenset()
    while True:
        partners: dict[str, set[tuple[str, ...]]] = {share: set() for share in tied}
        for chain in _chains(architecture):
            for run in _runs(chain, split):
                text = tuple(_tie_text(step, tied) for step in run.steps)
                for step in run.steps:
                    if step.op.share in tied:
                        partners[step.op.share].add(text)
        torn = {share for share, texts in partners.items() if len(texts) > 1 or any("" in t for t in texts)}
        if torn <= split:
            return split
        split |= torn


def _tie_text(step: Step, tied: set[str]) -> str:
    """The share, the signature of an operation without tensors, or nothing where the weights are its own."""
    if not holds(step):
        return step.op.signature
    return f"={step.op.share}" if step.op.share in tied else ""


def _chains(architecture: Architecture) -> Iterator[list[Step]]:
    steps = iter(architecture.steps())
    for node in architecture.live:
        counts = [len(edge.ops) for edge in node.inputs] + [1 if node.fusion else 0, len(node.ops)]
        yield from ([next(steps) for _ in range(count)] for count in counts)
