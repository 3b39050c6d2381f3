"""A small neck with every kind of shared weight, at any width."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum

CHANNELS = {3: 12, 4: 16, 5: 20}


def _lateral(level: int, width: int) -> Node:
    project = Conv(width=width, kernel=1, share=f"lateral{level}")
    return Node(f"lateral{level}", level, width, (Edge(f"c{level}", (project,)),))


def _merge(level: int, width: int, *, concat: bool) -> Node:
    above = f"merge{level + 1}" if level < 4 else "lateral5"
    edges = (Edge(f"lateral{level}"), Edge(above, (Resize(),)))
    ops = (Conv(width=width, share=f"merge{level}"), Norm(share=f"norm{level}"))
    return Node(f"merge{level}", level, width, edges, Concat() if concat else Sum(), ops)


@pytest.fixture
def neck() -> Callable[..., Architecture]:
    """Return a function `neck(width, concat=False)` that makes a top-down neck over levels 3 to 5."""

    def make(width: int, *, concat: bool = False) -> Architecture:
        nodes = [_lateral(level, width) for level in (5, 4, 3)]
        nodes += [_merge(level, width, concat=concat) for level in (4, 3)]
        tied = Conv(width=width, share="output")
        nodes += [
            Node(f"p{level}", level, width, (Edge(source),), None, (tied,))
            for level, source in ((3, "merge3"), (4, "merge4"), (5, "lateral5"))
        ]
        inputs = tuple(Input(f"c{level}", level, channels) for level, channels in CHANNELS.items())
        return Architecture(inputs, tuple(nodes), ((3, "p3"), (4, "p4"), (5, "p5")))

    return make


@pytest.fixture
def features() -> dict[int, Tensor]:
    """Return features of two images of 133 x 97 pixels."""
    generator = torch.Generator().manual_seed(0)
    return {
        level: torch.randn(2, channels, -(-133 // 2**level), -(-97 // 2**level), generator=generator)
        for level, channels in CHANNELS.items()
    }
