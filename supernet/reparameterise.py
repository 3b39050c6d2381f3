"""Re-parameterisation: sums of convolutions of one tensor become the one convolution that equals them."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from search_space.architecture import Architecture, Edge, Node
from search_space.op import Op
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from supernet.subnet import Subnet

Kernel = tuple[Tensor, Tensor]
"""Weight `(outputs, inputs / groups, k, k)` and bias `(outputs,)`."""


def deploy(subnet: Subnet) -> Subnet:
    """Return a subnet in evaluation mode with the same outputs and fewer operations.

    Merged are nodes that sum two or more branches of one source, each a convolution with or without a batch
    norm, or a batch norm alone (RepVGG, Ding et al. 2021, section 3.3). Everything else is copied.
    """
    nodes = tuple(_merged_node(node) if _mergeable(node) else node for node in subnet.architecture.nodes)
    old = subnet.architecture
    made = Subnet(Architecture(old.inputs, nodes, old.outputs)).to(_dtype(subnet))
    kept = {name: tensor for name, tensor in subnet.state_dict().items() if name in made.state_dict()}
    merged: dict[str, Tensor] = {}
    for node in old.live:
        if _mergeable(node):
            weight, bias = _merged_kernel(subnet, node)
            merged |= {f"{node.id}.conv.weight": weight, f"{node.id}.conv.bias": bias}
    made.load_state_dict({**kept, **merged})
    return made.eval()


def _dtype(subnet: Subnet) -> torch.dtype:
    return next((tensor.dtype for tensor in subnet.parameters()), torch.float32)


def _mergeable(node: Node) -> bool:
    if node.fusion is None or node.fusion.kind != "sum" or len(node.inputs) < 2:
        return False
    if len({edge.source for edge in node.inputs}) > 1 or any(op.kind == "conv" for op in node.ops):
        return False
    convs = [edge.ops[0] for edge in node.inputs if edge.ops and isinstance(edge.ops[0], Conv)]
    alike = {(conv.stride, conv.groups, conv.dilation, conv.padding, conv.width) for conv in convs}
    odd = all(conv.kernel % 2 for conv in convs)
    return len(alike) == 1 and odd and alike.pop()[2:4] == (1, "zeros") and all(map(_plain, node.inputs))


def _plain(edge: Edge) -> bool:
    """Return whether the branch is a convolution, a batch norm, or the one and then the other, all untied."""
    ops = edge.ops[1:] if edge.ops and isinstance(edge.ops[0], Conv) else edge.ops
    folds = len(ops) == 0 or (len(ops) == 1 and isinstance(ops[0], Norm) and ops[0].form != "group")
    return bool(edge.ops) and folds and all(op.share is None for op in edge.ops)


def _merged_node(node: Node) -> Node:
    convs = [op for edge in node.inputs for op in edge.ops if isinstance(op, Conv)]
    widest = max(convs, key=lambda conv: conv.kernel)
    merged = Conv(
        width=widest.width, kernel=widest.kernel, stride=widest.stride, groups=widest.groups, bias=True
    )
    ops: tuple[Op, ...] = (merged, *node.ops)
    return Node(node.id, node.level, node.width, (Edge(node.inputs[0].source),), None, ops)


def _merged_kernel(subnet: Subnet, node: Node) -> Kernel:
    steps = [step for step in subnet.architecture.steps() if step.node is node and ".from_" in step.path]
    paths = iter(step.path for step in steps)
    inputs = steps[0].inputs[0].channels
    merged = _merged_node(node).ops[0]
    assert isinstance(merged, Conv)
    total: Kernel | None = None
    for edge in node.inputs:
        tensors = {op.kind: subnet.of(next(paths)) for op in edge.ops}
        weight, bias = _branch(edge, tensors, merged, inputs)
        margin = (merged.kernel - weight.shape[-1]) // 2
        weight = F.pad(weight, [margin] * 4)
        total = (weight, bias) if total is None else (total[0] + weight, total[1] + bias)
    assert total is not None
    return total


@torch.no_grad()
def _branch(edge: Edge, tensors: Mapping[str, Mapping[str, Tensor]], merged: Conv, inputs: int) -> Kernel:
    norm = edge.ops[-1] if isinstance(edge.ops[-1], Norm) else None
    if "conv" in tensors:
        weight = tensors["conv"]["weight"]
        bias = tensors["conv"].get("bias", weight.new_zeros(merged.width))
    else:
        groups = merged.grouping(inputs)
        scale = tensors["norm"]["weight"]
        weight = torch.eye(inputs // groups, dtype=scale.dtype).repeat(groups, 1)[:, :, None, None]
        bias = scale.new_zeros(merged.width)
    if norm is None:
        return weight, bias
    values = tensors["norm"]
    gain = values["weight"] / (values["running_var"] + norm.eps).sqrt()
    return weight * gain[:, None, None, None], values["bias"] + (bias - values["running_mean"]) * gain
