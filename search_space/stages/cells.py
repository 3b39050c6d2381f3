"""Merging cells: two tensors of any level become one of a chosen level.

Ghiasi et al., NAS-FPN: Learning Scalable Feature Pyramid Architecture for Object Detection, CVPR 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from search_space.architecture import Edge, Node
from search_space.op import Op
from search_space.ops.gate import Gate
from search_space.ops.pool import Pool
from search_space.ops.sum import Sum
from search_space.stages import style as styles
from search_space.stages.stage import Block, Emit
from search_space.stages.style import Style

Version = Literal["tf", "mmdet"]


class Cell(NamedTuple):
    """One merging cell.

    Attributes:
        level: of its output.
        fusion: sum or gate.
        first: slot of one tensor it reads.
        second: slot of the other, larger than `first`.
    """

    level: int
    fusion: str
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Merging:
    """What all cells of a space have in common.

    Attributes:
        style: see `Style`.
        version: tf: the coarser input gates by its maximum; mmdet: the finer one by its mean.
        width: channels.
        block: after each cell; its convolutions have a bias.
    """

    style: Style
    version: Version
    width: int
    block: Block

    def resample(self, source: int, target: int) -> tuple[Op, ...]:
        """Return the operations from one level to another; max-pooling has windows as large as its stride."""
        if source > target:
            return styles.enlarge(self.style)
        if source == target:
            return ()
        factor = 2 ** (target - source)
        padding: Literal["same", "same_zeros"] = "same" if self.version == "tf" else "same_zeros"
        return (Pool(kernel=factor, stride=factor, padding=padding),)

    def gate(self) -> Gate:
        """Return the gate; its first input gates the second."""
        return Gate(form="max" if self.version == "tf" else "avg")

    def operation(self, share: str) -> tuple[Op, ...]:
        """Return what stands after a cell."""
        return styles.operation(
            self.style, self.block.op, self.width, share, attention=self.block.attention, biased=True
        )


class Feature(NamedTuple):
    """A tensor that cells may read."""

    level: int
    source: str


@dataclass(frozen=True, slots=True)
class Stack:
    """Lays out the cells of one stack.

    Attributes:
        name: prefix of nodes and shares.
        merging: see `Merging`.
        outputs: the slot of the first output cell; cells below it are intermediate.
        emit: receives each node as it is made.
    """

    name: str
    merging: Merging
    outputs: int
    emit: Emit

    def lay(self, cells: Mapping[int, Cell], here: Mapping[int, str]) -> dict[int, str]:
        """Add the nodes of the cells, by slot, and return the output of each level.

        What no cell reads is added, at its level, to the output cell.
        """
        levels = sorted(here)
        features = {slot: Feature(level, here[level]) for slot, level in enumerate(levels)}
        read = {slot for cell in cells.values() for slot in (cell.first, cell.second)}
        for slot, cell in cells.items():
            idle = [
                Edge(feature.source)
                for other, feature in features.items()
                if slot >= self.outputs > other and feature.level == cell.level and other not in read
            ]
            pair = features[cell.first], features[cell.second]
            features[slot] = Feature(cell.level, self.merge(slot, cell, pair, idle))
        return {cell.level: features[slot].source for slot, cell in cells.items() if slot >= self.outputs}

    def merge(self, slot: int, cell: Cell, read: Sequence[Feature], idle: Sequence[Edge]) -> str:
        """Add the nodes of one cell that reads two tensors, and return the id of its output."""
        name = f"{self.name}_m{slot}" if slot < self.outputs else f"{self.name}_out_l{cell.level}"
        share = f"{name}_l{cell.level}" if slot < self.outputs else name
        pair = list(read)
        if cell.fusion == "gate":
            pair.sort(key=lambda feature: feature.level, reverse=self.merging.version == "tf")
        edges = [Edge(source, self.merging.resample(level, cell.level)) for level, source in pair]
        ops = self.merging.operation(share)
        if cell.fusion == "sum":
            return self._add(name, cell.level, [*edges, *idle], Sum(), ops)
        if not idle:
            return self._add(name, cell.level, edges, self.merging.gate(), ops)
        gated = self._add(f"{name}_gate", cell.level, edges, self.merging.gate(), ())
        return self._add(name, cell.level, [Edge(gated), *idle], Sum(), ops)

    def _add(self, name: str, level: int, edges: Sequence[Edge], fusion: Op, ops: tuple[Op, ...]) -> str:
        self.emit(Node(name, level, self.merging.width, tuple(edges), fusion, ops))
        return name
