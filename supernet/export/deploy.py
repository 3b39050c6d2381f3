"""The deploy form of a neck: batch norms folded into convolutions, parallel convolutions merged.

It computes what the neck computes in evaluation mode, up to rounding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.architecture import Architecture, Edge, Node
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.deconv import Deconv
from search_space.ops.norm import Norm
from supernet import graph
from supernet.graph import Call, NodePlan
from supernet.subnet import Subnet


@dataclass(frozen=True)
class Held:
    """An operation with its tensors."""

    op: Op
    tensors: Mapping[str, Tensor]


@torch.no_grad()
def deploy(subnet: Subnet) -> Subnet:
    """Return a new subnet, in evaluation mode, that computes the same with fewer operations."""
    nodes, chains = [], []
    for entry in graph.plan(subnet.architecture):
        edges, rest = _edges(entry, subnet)
        fusion = None if entry.fusion is None else _held(entry.fusion, subnet)
        if fusion is not None and _mergeable(edges, fusion.op):
            edges, fusion = [(edges[0][0], [])], None
            rest = [_merged([chain for _, chain in _edges(entry, subnet)[0]]), *rest]
        nodes.append(_node(entry.node, edges, fusion, rest))
        chains += [*(chain for _, chain in edges), [fusion] if fusion else [], rest]
    original = subnet.architecture
    made = Subnet(Architecture(original.inputs, tuple(nodes), original.outputs))
    held = (item for chain in chains for item in chain)
    for call, item in zip(_calls(made.architecture), held, strict=True):
        for name, target in made.of(call.path).items():
            target.copy_(item.tensors[name])
    return made.eval()


def _calls(architecture: Architecture) -> Iterator[Call]:
    for entry in graph.plan(architecture):
        for _, calls in entry.edges:
            yield from calls
        if entry.fusion is not None:
            yield entry.fusion
        yield from entry.calls


def _held(call: Call, subnet: Subnet) -> Held:
    return Held(call.op, subnet.of(call.path))


def _edges(entry: NodePlan, subnet: Subnet) -> tuple[list[tuple[str, list[Held]]], list[Held]]:
    edges = [(source, fold([_held(call, subnet) for call in calls])) for source, calls in entry.edges]
    return edges, fold([_held(call, subnet) for call in entry.calls])


def _node(
    node: Node, edges: Sequence[tuple[str, Sequence[Held]]], fusion: Held | None, rest: Sequence[Held]
) -> Node:
    inputs = tuple(Edge(source, tuple(item.op for item in chain)) for source, chain in edges)
    ops = tuple(item.op for item in rest)
    return replace(node, inputs=inputs, fusion=fusion.op if fusion else None, ops=ops)


def fold(chain: Sequence[Held]) -> list[Held]:
    """Return the chain with each batch norm behind a convolution folded into it."""
    found: list[Held] = []
    for item in chain:
        if found and _foldable(found[-1].op, item.op):
            found[-1] = _folded(found[-1], item)
        else:
            found.append(item)
    return found


def _foldable(first: Op, second: Op) -> bool:
    normed = isinstance(second, Norm) and second.form != "group"
    return normed and (isinstance(first, Conv) or (isinstance(first, Deconv) and first.groups == 1))


def _folded(conv: Held, norm: Held) -> Held:
    assert isinstance(conv.op, Conv | Deconv) and isinstance(norm.op, Norm)
    values = {name: tensor.double() for name, tensor in norm.tensors.items()}
    scale = values["weight"] / torch.sqrt(values["running_var"] + norm.op.eps)
    axes = (1, -1, 1, 1) if isinstance(conv.op, Deconv) else (-1, 1, 1, 1)
    weight = conv.tensors["weight"].double() * scale.view(axes)
    bias = conv.tensors["bias"].double() if conv.op.bias else torch.zeros_like(scale)
    bias = values["bias"] + (bias - values["running_mean"]) * scale
    shares = (conv.op.share, norm.op.share)
    share = f"{shares[0]}+{shares[1]}+{norm.op.eps}" if all(shares) else None
    return Held(replace(conv.op, bias=True, share=share), {"weight": weight.float(), "bias": bias.float()})


def _mergeable(edges: Sequence[tuple[str, Sequence[Held]]], fusion: Op) -> bool:
    """Whether the edges are convolutions of one tensor that add up to one convolution."""
    if fusion.kind != "sum" or len(edges) < 2 or len({source for source, _ in edges}) > 1:
        return False
    ops = [chain[0].op if len(chain) == 1 else None for _, chain in edges]
    convs = [op for op in ops if isinstance(op, Conv)]
    plain = all(op.padding == "zeros" and op.dilation == 1 and op.kernel % 2 and not op.share for op in convs)
    return len(convs) == len(edges) and plain and len({(op.stride, op.groups) for op in convs}) == 1


def _merged(chains: Sequence[Sequence[Held]]) -> Held:
    convs = [chain[0] for chain in chains]
    kernel = max(item.op.kernel for item in convs if isinstance(item.op, Conv))
    weight, bias = torch.zeros(()).double(), torch.zeros(()).double()
    for item in convs:
        assert isinstance(item.op, Conv)
        margin = (kernel - item.op.kernel) // 2
        weight = weight + F.pad(item.tensors["weight"].double(), [margin] * 4)
        bias = bias + item.tensors["bias"].double() if item.op.bias else bias
    assert isinstance(convs[0].op, Conv)
    op = replace(convs[0].op, kernel=kernel, bias=bias.dim() > 0)
    tensors = {"weight": weight.float(), "bias": bias.float()}
    return Held(op, tensors if op.bias else {"weight": tensors["weight"]})
