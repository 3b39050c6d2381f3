"""Where nodes stand: a row a level, a column as far left as their inputs allow."""

from collections.abc import Mapping
from dataclasses import dataclass

from search_space.architecture import Architecture, Node

BOX_WIDTH = 58
COLUMN = 84
LEAST_HEIGHT = 40
PORT = 9
"""Pixels between two edges that arrive at one box."""
ROW_GAP = 26
LEFT = 58
TOP = 16


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing, in pixels."""

    name: str
    level: int
    column: int
    x: float
    y: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """Middle of the left side."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        """Middle of the right side."""
        return self.x + BOX_WIDTH, self.y + self.height / 2

    @property
    def centre(self) -> float:
        """Horizontal middle."""
        return self.x + BOX_WIDTH / 2


@dataclass(frozen=True, slots=True)
class Row:
    """The band of one level, in pixels."""

    level: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """All boxes by id, the rows from the top, and the size of the drawing in pixels."""

    boxes: Mapping[str, Box]
    rows: tuple[Row, ...]
    width: float
    height: float


def place(architecture: Architecture) -> Layout:
    """Return where the inputs and live nodes of `architecture` stand."""
    levels = {entry.id: entry.level for entry in architecture.inputs}
    levels |= {node.id: node.level for node in architecture.live}
    order = sorted(set(levels.values()), reverse=True)
    columns = _columns(architecture, levels, {level: index for index, level in enumerate(order)})
    return stand(levels, columns, {node.id: _height(node) for node in architecture.live})


def stand(levels: Mapping[str, int], columns: Mapping[str, int], heights: Mapping[str, float]) -> Layout:
    """Return the layout of boxes of known levels and columns; a box without a height has the least."""
    order = sorted(set(levels.values()), reverse=True)
    rows: list[Row] = []
    y = float(TOP)
    for level in order:
        tallest = max(heights.get(name, LEAST_HEIGHT) for name in levels if levels[name] == level)
        rows.append(Row(level, y, tallest + ROW_GAP))
        y += tallest + ROW_GAP
    by_level = {row.level: row for row in rows}
    boxes = {}
    for name, level in levels.items():
        height, row = heights.get(name, LEAST_HEIGHT), by_level[level]
        x = LEFT + 12 + columns[name] * COLUMN
        boxes[name] = Box(name, level, columns[name], x, row.y + (row.height - height) / 2, height)
    width = max(box.x for box in boxes.values()) + BOX_WIDTH + 22
    return Layout(boxes, tuple(rows), width, y)


def _height(node: Node) -> float:
    return max(LEAST_HEIGHT, PORT * (len(node.inputs) + 1))


def _columns(
    architecture: Architecture, levels: Mapping[str, int], row_of: Mapping[int, int]
) -> dict[str, int]:
    """Return each node's column; an edge between neighbouring rows may stay in one, but for inputs."""
    columns = {entry.id: 0 for entry in architecture.inputs}
    taken = {(0, entry.level) for entry in architecture.inputs}
    for node in architecture.live:
        least = 0
        for edge in node.inputs:
            apart = abs(row_of[levels[edge.source]] - row_of[node.level])
            beside = apart == 1 and columns[edge.source] > 0
            least = max(least, columns[edge.source] + (0 if beside else 1))
        while (least, node.level) in taken:
            least += 1
        columns[node.id] = least
        taken.add((least, node.level))
    return columns
