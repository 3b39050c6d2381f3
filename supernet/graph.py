"""The one executor of an `Architecture`: supernets and finished subnets both run here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from torch import Tensor

from search_space.architecture import Architecture, Input, Node, Step
from search_space.op import Op, Size
from supernet.errors import FeatureMismatch
from supernet.ops import Context, runner


class Weights(Protocol):
    """Where the executor takes an operation's tensors from."""

    def of(self, path: str) -> Mapping[str, Tensor]:
        """Return the tensors of the operation at `path`, by name, at the architecture's own sizes."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of a plan."""

    path: str
    op: Op


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node of a plan: its edges as (source, calls), its fusion, its operations."""

    node: Node
    edges: tuple[tuple[str, tuple[Call, ...]], ...]
    fusion: Call | None
    calls: tuple[Call, ...]


@lru_cache(maxsize=1024)
def plan(architecture: Architecture) -> tuple[NodePlan, ...]:
    """Return the live nodes with the path of each operation, in the order of execution."""
    steps = iter(architecture.steps())
    return tuple(_node_plan(node, steps) for node in architecture.live)


def _node_plan(node: Node, steps: Iterator[Step]) -> NodePlan:
    def calls(ops: Sequence[Op]) -> tuple[Call, ...]:
        return tuple(Call(next(steps).path, op) for op in ops)

    edges = tuple((edge.source, calls(edge.ops)) for edge in node.inputs)
    fusion = calls([node.fusion])[0] if node.fusion else None
    return NodePlan(node, edges, fusion, calls(node.ops))


def run(
    architecture: Architecture,
    nodes: Sequence[NodePlan],
    features: Mapping[int, Tensor],
    weights: Weights,
    *,
    training: bool,
    momentum: float | None = None,
) -> dict[int, Tensor]:
    """Return the output of each level.

    Args:
        architecture: whose `plan` is `nodes`.
        nodes: see `plan`.
        features: `(B, C_l, H / 2**l, W / 2**l)` by level l.
        weights: where tensors are taken from.
        training: whether norms use, and update, batch statistics.
        momentum: overrides that of the norms.

    Raises:
        FeatureMismatch: a level is missing or has other channels than the architecture's input.
    """
    tensors: dict[str, Tensor] = {}
    sizes: dict[int, Size] = {}
    for entry in architecture.inputs:
        tensors[entry.id] = x = _input(entry, features)
        sizes.setdefault(entry.level, (x.shape[2], x.shape[3]))
    for step in nodes:
        level = step.node.level
        tensors[step.node.id] = x = run_node(step, tensors, sizes.get(level), weights, training, momentum)
        sizes.setdefault(level, (x.shape[2], x.shape[3]))
    return {level: tensors[source] for level, source in architecture.outputs}


def _input(entry: Input, features: Mapping[int, Tensor]) -> Tensor:
    if entry.level not in features:
        raise FeatureMismatch(
            f"the neck reads level {entry.level} ({entry.channels} channels), "
            f"but the features have levels {sorted(features)}"
        )
    x = features[entry.level]
    if x.shape[1] != entry.channels:
        raise FeatureMismatch(
            f"level {entry.level} has {x.shape[1]} channels, but the neck was built for {entry.channels}"
        )
    return x


def run_node(
    entry: NodePlan,
    tensors: Mapping[str, Tensor],
    size: Size | None,
    weights: Weights,
    training: bool,
    momentum: float | None,
) -> Tensor:
    """Return a node's output from its sources'; `size` is its level's, None where nothing came before."""
    arrived: list[Tensor] = []
    for source, calls in entry.edges:
        context = Context(size, training, momentum)
        x = tensors[source]
        for call in calls:
            x = runner(call.op.kind).run(call.op, (x,), weights.of(call.path), context)
        size = size or (x.shape[2], x.shape[3])
        arrived.append(x)
    context = Context(size, training, momentum)
    fused = entry.fusion
    x = runner(fused.op.kind).run(fused.op, arrived, weights.of(fused.path), context) if fused else arrived[0]
    for call in entry.calls:
        x = runner(call.op.kind).run(call.op, (x,), weights.of(call.path), context)
    return x
