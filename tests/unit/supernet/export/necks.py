"""Necks that exports are tested with: random architectures of each space, and one for each operation."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from search_space import ops, spaces
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture
from search_space.op import Op, Shape
from search_space.ops.conv import Conv
from search_space.ops.resize import Resize
from search_space.space import Space
from supernet.subnet import Subnet

CHANNELS = {3: 16, 4: 24, 5: 32}
_WIDTH = 16
_SHAPE = Shape(_WIDTH, 8, 8)
_SAMPLES: Mapping[str, Mapping[str, object]] = {
    "conv": {"width": _WIDTH},
    "norm": {"form": "batch"},
    "deconv": {"width": _WIDTH},
    "deform_conv": {"width": _WIDTH},
    "slice": {"start": 4, "width": 8},
}


def space_names() -> list[str]:
    """Return the names of the spaces that ship."""
    import pkgutil

    return sorted(module.name for module in pkgutil.iter_modules(spaces.__path__))


def random_architectures(space: str, count: int, seed: int = 0) -> list[Architecture]:
    """Return architectures drawn from a space."""
    loaded = Space.load(space)
    rng = np.random.default_rng(seed)
    return [loaded.architecture(loaded.sample(rng)) for _ in range(count)]


def neck_of(kind: str) -> Architecture:
    """Return a neck of two levels that holds the operation."""
    op = ops.op_class(kind)(**_SAMPLES.get(kind, {}))  # type: ignore[arg-type]
    inputs = (Input("c3", 3, _WIDTH), Input("c4", 4, _WIDTH))
    merged = Node("merged", 3, _WIDTH, (Edge("c3", (Conv(width=_WIDTH, kernel=1),)),))
    errors: list[str] = []
    for make in (_as_fusion(2), _as_fusion(3)) if op.many else (_on_edge, _on_rising_edge, _on_node):
        try:
            node = make(op)
            return Architecture(inputs, (merged, node), ((node.level, node.id),))
        except InvalidArchitecture as error:
            errors.append(str(error))
    raise AssertionError(f"no neck holds '{kind}': {errors}")


def _as_fusion(count: int) -> Callable[[Op], Node]:
    edges = (Edge("merged"), Edge("c4", (Resize(),)), Edge("c3"))[:count]

    def make(op: Op) -> Node:
        return Node("out", 3, op.infer((_SHAPE,) * count, _SHAPE.size).channels, edges, op)

    return make


def _on_edge(op: Op) -> Node:
    """From level 3 to level 4, whose size a pooling or a resize needs."""
    return Node("out", 4, op.infer((_SHAPE,), (4, 4)).channels, (Edge("merged", (op,)),))


def _on_rising_edge(op: Op) -> Node:
    """From level 4 to level 3, twice as large."""
    return Node("out", 3, op.infer((_SHAPE,), (16, 16)).channels, (Edge("c4", (op,)),))


def _on_node(op: Op) -> Node:
    return Node("out", 3, op.infer((_SHAPE,), _SHAPE.size).channels, (Edge("merged"),), None, (op,))


def trained(architecture: Architecture, seed: int = 0) -> Subnet:
    """Return a subnet in evaluation mode whose tensors, statistics included, are random numbers."""
    subnet = Subnet(architecture).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in subnet.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            fan_in = max(1, tensor[0].numel()) if tensor.dim() > 1 else 4
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / fan_in**0.5)
    return subnet
