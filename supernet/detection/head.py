"""The detection head as an `Architecture`, tied over the levels, run by the same executor as the necks.

After FCOS (arXiv:1904.01355): one tower convolution with a norm a level, then one convolution that makes
class logits and box distances together. Its width is that of the neck's output.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from supernet.supernet import SuperNet

DISTANCES = 4
"""Left, top, right and bottom of a location to its box."""
PRIOR = 0.02
"""Score that every location starts with, so that the many empty ones do not swamp the first steps."""


@lru_cache(maxsize=256)
def head(levels: tuple[int, ...], width: int, classes: int) -> Architecture:
    """Return the head of a neck whose outputs have `width` channels at `levels`.

    Its outputs are `(B, classes + 4, H / 2**l, W / 2**l)`: class logits, then the logarithms of the
    distances in strides.
    """
    inputs = tuple(Input(f"n{level}", level, width) for level in levels)
    nodes = [node for level in levels for node in _nodes(level, width, classes)]
    return Architecture(inputs, tuple(nodes), tuple((level, f"predict{level}") for level in levels))


def _nodes(level: int, width: int, classes: int) -> tuple[Node, Node]:
    tower = (
        Conv(width=width, kernel=3, bias=False, share="head/tower"),
        Norm(share=f"head/norm{level}"),
        Act(),
    )
    predict = (Conv(width=classes + DISTANCES, kernel=3, share="head/predict"),)
    return (
        Node(f"tower{level}", level, width, (Edge(f"n{level}", tower),)),
        Node(f"predict{level}", level, classes + DISTANCES, (Edge(f"tower{level}", predict),)),
    )


@lru_cache(maxsize=4096)
def head_of(neck: Architecture, classes: int) -> Architecture:
    """Return the head that follows `neck`.

    Raises:
        InvalidArchitecture: the neck's outputs differ in width, so that no tied head fits.
    """
    shapes = neck.output_shapes()
    widths = sorted({shape.channels for shape in shapes.values()})
    if len(widths) > 1:
        found = {level: shape.channels for level, shape in shapes.items()}
        raise InvalidArchitecture(f"a detection neck has one output width; this one has {found} by level")
    return head(tuple(shapes), widths[0], classes)


def heads(necks: Iterable[Architecture], classes: int) -> SuperNet:
    """Return the shared head of all `necks`, its class scores at the prior."""
    shared = SuperNet({head_of(neck, classes) for neck in necks})
    weight, bias = (shared.weights.learned[f"head/predict:{name}"] for name in ("weight", "bias"))
    with torch.no_grad():
        weight.mul_(0.1)
        bias[:classes].fill_(math.log(PRIOR / (1 - PRIOR)))
    return shared


def flatten(outputs: Mapping[int, Tensor]) -> Tensor:
    """Return `(B, N, classes + 4)` from the head's outputs, lowest level first, row by row."""
    return torch.cat([outputs[level].flatten(2).transpose(1, 2) for level in sorted(outputs)], 1)


def locations(sizes: Mapping[int, Sequence[int]]) -> Tensor:
    """Return `(N, 4)`: x, y, stride (pixels) and level of every location, in the order of `flatten`."""
    found = []
    for level in sorted(sizes):
        height, width = sizes[level]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        centres = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * 2**level
        found.append(torch.cat([centres, torch.tensor([[2.0**level, level]]).expand(len(centres), 2)], 1))
    return torch.cat(found)


def boxes_at(points: Tensor, logarithms: Tensor) -> Tensor:
    """Return boxes, left, top, right, bottom in pixels, of distances in strides given as logarithms.

    Args:
        points: `(..., 4)`, see `locations`.
        logarithms: `(..., 4)`.
    """
    distances = logarithms.clamp(max=6.0).exp() * points[..., 2:3]
    centre = points[..., :2]
    return torch.cat([centre - distances[..., :2], centre + distances[..., 2:]], -1)
