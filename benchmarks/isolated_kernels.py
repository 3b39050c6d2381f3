"""The baseline that sums kernels measured alone: each distinct operation as a neck of its own."""

from collections.abc import Sequence
from dataclasses import replace

from search_space.architecture import Architecture, Edge, Input, Node, Step
from search_space.errors import InvalidArchitecture
from search_space.op import Op, Shape, Size

Signature = tuple[Op, tuple[Shape, ...], Shape]


def signature(step: Step) -> Signature:
    """Return what makes two operations the same kernel: attributes and shapes, not names or ties."""
    return replace(step.op, share=None), step.inputs, step.output


def distinct(necks: Sequence[Architecture], image_size: Size) -> list[Signature]:
    """Return every distinct operation of the necks, in the order of first use."""
    return list(dict.fromkeys(signature(step) for neck in necks for step in neck.steps(image_size)))


def alone(found: Signature, image_size: Size) -> Architecture | None:
    """Return a neck that runs this operation only; None where levels cannot hold its inputs."""
    op, inputs, output = found
    levels = {size_at(image_size, level): level for level in range(9, -1, -1)}
    if output.size not in levels or any(shape.size not in levels for shape in inputs):
        return None
    level, widths = levels[output.size], {levels[shape.size]: shape.channels for shape in inputs}
    if any(widths[levels[shape.size]] != shape.channels for shape in inputs):
        return None  # one level holds one feature map
    if op.kind in ("resize", "adaptive_pool"):
        widths.setdefault(level, 1)
    entries = [Input(f"x{at}", at, width) for at, width in widths.items()]
    edges = tuple(Edge(f"x{levels[shape.size]}") for shape in inputs)
    fusion, ops = (op, ()) if op.many else (None, (op,))
    try:
        node = Node("out", level, output.channels, edges, fusion, ops)
        return Architecture(tuple(entries), (node,), ((level, "out"),))
    except InvalidArchitecture:
        return None


def size_at(image_size: Size, level: int) -> Size:
    """Return height and width of a level's tensor."""
    height, width = (-(-extent // 2**level) for extent in image_size)
    return height, width
