"""Whether two architectures are one function, decided by walking both at once: a check of their keys."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from search_space.architecture import Architecture, Node, Step
from supernet.subnet import Subnet

Pairs = dict[str, str]
"""The path of each operation of one architecture, and that of the same operation of the other."""
_PLAIN_OF_ONE = frozenset({"sum", "mean", "product", "concat"})


def paired(a: Architecture, b: Architecture) -> Pairs | None:
    """Return the operations that stand for one another; None where the architectures differ."""
    left, right = _Side(a), _Side(b)
    met: dict[str, str] = {}
    pairs: Pairs = {}
    ties: dict[str, str] = {}
    waiting = [(one, two) for (_, one), (_, two) in zip(a.outputs, b.outputs, strict=True)]
    if [level for level, _ in a.outputs] != [level for level, _ in b.outputs]:
        return None
    while waiting:
        one, two = (side.real(name) for side, name in zip((left, right), waiting.pop(), strict=True))
        if met.setdefault(one, two) != two:
            return None
        if one in pairs or (one in left.inputs and left.inputs[one] == right.inputs.get(two)):
            continue
        pairs[one] = two
        edges = _edges(left, right, one, two)
        if edges is None or not _same_steps(left.steps[one], right.steps[two], pairs, ties):
            return None
        waiting += edges
    if len(set(met.values())) < len(met) or len(set(ties.values())) < len(ties):
        return None
    return {path: other for path, other in pairs.items() if "." in path}


class _Side:
    """One of the two architectures, by name."""

    def __init__(self, architecture: Architecture) -> None:
        self.inputs = {entry.id: (entry.level, entry.channels) for entry in architecture.inputs}
        self.nodes = {node.id: node for node in architecture.nodes}
        self.steps: dict[str, list[Step]] = {node.id: [] for node in architecture.nodes}
        for step in architecture.steps():
            self.steps[step.node.id].append(step)

    def real(self, name: str) -> str:
        """Return the name behind nodes that only hand their input on."""
        while name in self.nodes and self._passes(self.nodes[name]):
            name = self.nodes[name].inputs[0].source
        return name

    def _passes(self, node: Node) -> bool:
        plain = node.fusion is None or node.fusion.kind in _PLAIN_OF_ONE
        return len(node.inputs) == 1 and plain and not node.ops and not node.inputs[0].ops


def _edges(left: _Side, right: _Side, one: str, two: str) -> list[tuple[str, str]] | None:
    if one not in left.nodes or two not in right.nodes:
        return None
    a, b = left.nodes[one], right.nodes[two]
    if (a.level, a.width) != (b.level, b.width) or len(a.inputs) != len(b.inputs):
        return None
    if any(len(x.ops) != len(y.ops) for x, y in zip(a.inputs, b.inputs, strict=True)):
        return None
    return [(x.source, y.source) for x, y in zip(a.inputs, b.inputs, strict=True)]


def _same_steps(one: list[Step], two: list[Step], pairs: Pairs, ties: dict[str, str]) -> bool:
    if len(one) != len(two):
        return False
    for a, b in zip(one, two, strict=True):
        if replace(a.op, share=None) != replace(b.op, share=None):
            return False
        pairs[a.path] = b.path
        mine, other = (step.op.share or f"/{step.path}" for step in (a, b))
        if ties.setdefault(mine, other) != other:
            return False
    return True


def outputs_differ(a: Architecture, b: Architecture, pairs: Pairs, features: dict[int, Tensor]) -> bool:
    """Return whether the two give other outputs where paired operations have the same random weights."""
    one, two = Subnet(a).eval(), Subnet(b).eval()
    with torch.no_grad():
        for path, other in pairs.items():
            for name, tensor in one.of(path).items():
                randomise(name, tensor)
                two.of(other)[name].copy_(tensor)
        left, right = one(features), two(features)
    return any(not torch.equal(left[level], right[level]) for level in left)


def randomise(name: str, tensor: Tensor) -> None:
    """Fill a tensor in place so that no two channels are alike; scales and variances stay positive."""
    if name == "running_var":
        tensor.uniform_(0.5, 2.0)
    elif tensor.dim() > 1:
        tensor.normal_(0.0, (2 / tensor[0].numel()) ** 0.5)
    else:
        tensor.normal_(1.0 if name == "weight" else 0.0, 0.1)


def distinct_pairs(groups: dict[str, list[Architecture]]) -> Iterator[tuple[Architecture, Architecture]]:
    """Yield each architecture beside the first one of its key."""
    for group in groups.values():
        yield from ((group[0], other) for other in group[1:])
