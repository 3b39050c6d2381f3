"""Fixed nets of every session: a reference to normalise by, sentinels to compare sessions by."""

from functools import cache

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum

PROBE_IMAGE = (128, 128)
"""Height and width in pixels at which probes run, whatever the necks' image size."""


@cache
def reference() -> Architecture:
    """Return the net that runs just before every visit: four dense convolutions, about half a millisecond."""
    return _net(64, tuple(Conv(width=64) for _ in range(4)))


@cache
def sentinels() -> tuple[Architecture, ...]:
    """Return nets of three characters: compute-bound, memory-bound, many small kernels."""
    separable = tuple(op for _ in range(6) for op in _separable(48))
    return _net(128, (Conv(width=128), Conv(width=128))), _net(48, separable), _fusing()


def _separable(width: int) -> tuple[Op, ...]:
    depthwise = Conv(width=width, groups=0, bias=False)
    return depthwise, Conv(width=width, kernel=1, bias=False), Norm(), Act()


def _net(width: int, ops: tuple[Op, ...]) -> Architecture:
    return Architecture(
        (Input("c3", 3, width),), (Node("p3", 3, width, (Edge("c3"),), None, ops),), ((3, "p3"),)
    )


def _fusing() -> Architecture:
    inputs = (Input("c3", 3, 32), Input("c4", 4, 32))
    nodes = []
    source = "c3"
    for index in range(6):
        edges = (Edge(source), Edge("c4", (Resize(),)))
        nodes.append(Node(f"m{index}", 3, 64, edges, Concat(), ()))
        nodes.append(Node(f"n{index}", 3, 32, (Edge(f"m{index}"),), Sum(), (Conv(width=32, kernel=1),)))
        source = f"n{index}"
    return Architecture(inputs, tuple(nodes), ((3, source),))
