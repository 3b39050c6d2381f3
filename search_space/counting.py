"""What every operation of an architecture reads and makes, without what names it: for counts."""

from typing import TYPE_CHECKING

from search_space.errors import InvalidArchitecture
from search_space.op import Op, Shape, Size

if TYPE_CHECKING:
    from search_space.architecture import Architecture, Input

Work = tuple[Op, tuple[Shape, ...], Shape]
"""An operation, what it reads, what it makes."""


def input_shape(entry: "Input", image_size: Size) -> Shape:
    """Return the shape of an input for an image of height x width pixels, halves rounded up."""
    height, width = (-(-extent // 2**entry.level) for extent in image_size)
    return Shape(entry.channels, height, width)


def work(architecture: "Architecture", image_size: Size) -> list[Work]:
    """Return the operations of `Architecture.steps` in their order, in less than half of its time.

    Raises:
        InvalidArchitecture: as `steps`, which then says where.
    """
    try:
        return _traced(architecture, image_size)
    except InvalidArchitecture:
        architecture.steps(image_size)
        raise


def _traced(architecture: "Architecture", image_size: Size) -> list[Work]:
    shapes = {entry.id: input_shape(entry, image_size) for entry in architecture.inputs}
    sizes: dict[int, Size] = {}
    for entry in architecture.inputs:
        sizes.setdefault(entry.level, shapes[entry.id].size)
    found: list[Work] = []
    for node in architecture.live:
        size, arrived = sizes.get(node.level), []
        for edge in node.inputs:
            shape = shapes[edge.source]
            for op in edge.ops:
                shape = _made(op, (shape,), size, found)
            size = size or shape.size
            arrived.append(shape)
        shape = arrived[0] if node.fusion is None else _made(node.fusion, tuple(arrived), size, found)
        for op in node.ops:
            shape = _made(op, (shape,), size, found)
        level = sizes.setdefault(node.level, shape.size)
        if shape.channels != node.width or shape.size not in (level, (1, 1)):
            raise InvalidArchitecture(f"node '{node.id}' makes {shape}")
        shapes[node.id] = shape
    return found


def _made(op: Op, inputs: tuple[Shape, ...], size: Size | None, found: list[Work]) -> Shape:
    output = op.infer(inputs, size)
    if min(output) < 1:
        raise InvalidArchitecture(f"{op.kind} makes {output} of {list(inputs)}")
    found.append((op, inputs, output))
    return output
