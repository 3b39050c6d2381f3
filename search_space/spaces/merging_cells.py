"""`merging_cells`: stacks of cells that each merge two tensors of any level (NAS-FPN)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, permutations
from math import comb, prod
from typing import ClassVar, Literal

import numpy as np

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.composition import Fragment, Indices, Mask, Tape, packed
from search_space.errors import NotInSpace
from search_space.matching import Matcher
from search_space.ops.sum import Sum
from search_space.pyramid import PyramidSpace, index_of, whole_numbers
from search_space.space import Gene, Genotype
from search_space.stages.cells import Cell, Merging, Stack, Version
from search_space.stages.reading import readings
from search_space.stages.stage import Block
from search_space.stages.style import among

_FUSIONS = ("sum", "gate")
_HEAD = 5
"""Genes before those of the cells: width, operation, attention, number of stacks, of intermediate cells."""
_NAS_FPN = (
    (Cell(1, "gate", 1, 3), Cell(1, "sum", 1, 5)),
    (
        Cell(0, "sum", 0, 6),
        Cell(1, "sum", 6, 7),
        Cell(2, "gate", 7, 8),
        Cell(4, "gate", 6, 9),
        Cell(3, "gate", 9, 10),
    ),
)
"""The published cells, intermediate ones first; levels count from the lowest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MergingCells(PyramidSpace):
    """Every neck of stacked merging cells: intermediate ones of any level, then one output cell a level.

    A cell reads two of the laterals and the cells before it. What no cell reads is added to the output of its
    level. An output cell stands before those of higher levels unless it reads the one in front of it, which
    leaves out most orders that are the same neck. All stacks have the same cells, each its own weights.

    Attributes:
        stacks: numbers of stacks to choose from.
        merges: numbers of intermediate cells to choose from.
        fusions: sum, gate; chosen for each cell.
        version: whose details: tf (the paper's) or mmdet, see `stages.cells.Merging`.
    """

    name: ClassVar[str] = "merging_cells"

    ops: tuple[str, ...] = ("dw3", "conv3")
    extra: str = "halve"
    stacks: tuple[int, ...] = (1, 2, 3)
    merges: tuple[int, ...] = (0, 1, 2)
    fusions: tuple[str, ...] = _FUSIONS
    version: Version = "tf"

    def __post_init__(self) -> None:
        if not self.levels and self.channels:
            self._set("levels", tuple(range(min(self.channels), min(self.channels) + 5)))
        super().__post_init__()
        self.choose("fusions", _FUSIONS)
        among("version", [self.version], ("tf", "mmdet"))
        self._set("stacks", whole_numbers("stacks", self.stacks))
        self._set("merges", whole_numbers("merges", self.merges, least=0))
        padding: Literal["same", "zeros"] = "same" if self.version == "tf" else "zeros"
        self._set("style", replace(self.style, padding=padding))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The width, the operation, the numbers of stacks and intermediate cells, then four genes a cell."""
        made = [
            Gene("width", self.widths, ordinal=True),
            Gene("op", self.ops),
            Gene("attention", self.attentions),
            Gene("stacks", self.stacks, ordinal=True),
            Gene("merges", self.merges, ordinal=True),
        ]
        for slot, name in enumerate(self._slots[len(self.levels) :], len(self.levels)):
            made.append(Gene(f"{name}_level", self.levels))
            made.append(Gene(f"{name}_fusion", self.fusions))
            made.append(Gene(f"{name}_first", self._slots[: slot - 1]))
            made.append(Gene(f"{name}_second", self._slots[1:slot]))
        return tuple(made)

    @cached_property
    def _slots(self) -> tuple[str, ...]:
        """What cells may read: laterals, then intermediate cells, then outputs."""
        laterals = [f"p{level}" for level in self.levels]
        merges = [f"m{index}" for index in range(1, max(self.merges) + 1)]
        return (*laterals, *merges, *(f"o{index}" for index in range(1, len(self.levels) + 1)))

    @property
    def _outputs(self) -> int:
        """The slot of the first output cell."""
        return len(self.levels) + max(self.merges)

    def _unused(self, genotype: Sequence[int]) -> range:
        """Return the slots of intermediate cells that are not in use."""
        return range(len(self.levels) + self.merges[genotype[4]], self._outputs)

    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices that mean something: of cells in use, each reading two different tensors."""
        if index < _HEAD:
            return range(len(self.genes[index].choices))
        cell, part = divmod(index - _HEAD, 4)
        slot, unused = cell + len(self.levels), self._unused(genotype)
        if slot in unused:
            return ()
        if part == 0:
            taken = [genotype[_HEAD + 4 * (at - len(self.levels))] for at in range(self._outputs, slot)]
            return [level for level in range(len(self.levels)) if level not in taken]
        if part == 1:
            return range(len(self.fusions))
        readable = [at for at in range(slot) if at not in unused]
        if part == 2:
            return readable[:-1]
        if slot > self._outputs and genotype[index - 3] < genotype[index - 7]:
            return [readable[-1] - 1]
        return [at - 1 for at in readable if at > genotype[index - 1]]

    def size(self) -> int:
        """Return the exact number of canonical genotypes."""
        levels, fusions = len(self.levels), len(self.fusions)
        cells = 0
        for merges in self.merges:
            middle = prod(levels * fusions * comb(levels + index, 2) for index in range(merges))
            orders = permutations(range(levels))
            cells += middle * fusions**levels * sum(_pairs(order, levels + merges) for order in orders)
        return len(self.widths) * len(self.blocks) * len(self.stacks) * cells

    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the architecture of a genotype, canonical or not.

        Raises:
            NotInSpace: the genotype has another length or an index that no choice has.
        """
        genotype = self.canonical(genotype)
        width, op, attention, stacks, _ = genotype[:_HEAD]
        block = Block(self.ops[op], self.attentions[attention])
        return self.build(self.widths[width], block, self.stacks[stacks], self._cells(genotype))

    def _cells(self, genotype: Genotype) -> dict[int, Cell]:
        unused = self._unused(genotype)
        found = {}
        for slot in range(len(self.levels), len(self._slots)):
            if slot not in unused:
                start = _HEAD + 4 * (slot - len(self.levels))
                level, fusion, first, second = genotype[start : start + 4]
                found[slot] = Cell(self.levels[level], self.fusions[fusion], first, second + 1)
        return found

    def build(self, width: int, block: Block, stacks: int, cells: Mapping[int, Cell]) -> Architecture:
        """Return the neck of a width, a block, a number of stacks and cells by slot."""
        nodes: list[Node] = []
        flow = self.laterals(width, nodes.append)
        merging = Merging(self.style, self.version, width, block)
        for index in range(1, stacks + 1):
            flow = Stack(f"k{index}", merging, self._outputs, nodes.append).lay(cells, flow)
        return self.finish(nodes, flow)

    def compose(self, genotypes: Indices, tape: Tape) -> Indices:
        """Lay out the cells of many necks; see `Space.compose`."""
        flow = self.compose_laterals(genotypes[:, 0], tape)
        number = np.array(self.stacks)[genotypes[:, 3]]
        for stack in range(1, max(self.stacks) + 1):
            there = number >= stack
            flow = np.where(there, self._compose_stack(genotypes, flow, there, tape), flow)
        return flow

    def _compose_stack(self, genotypes: Indices, here: Indices, there: Mask, tape: Tape) -> Indices:
        """Lay out one stack in the necks that have it, and return its outputs (levels, N)."""
        count, slots, rows = len(self.levels), len(self._slots), np.arange(len(genotypes))
        cells = genotypes[:, _HEAD:].reshape(len(rows), -1, 4).transpose(2, 1, 0)  # (parts, cells, N)
        merges = np.array(self.merges)[genotypes[:, 4]]
        used = np.array([(slot >= self._outputs) | (slot - count < merges) for slot in range(slots)])
        first, second = cells[2], cells[3] + 1
        among = np.arange(slots)[:, None, None]
        read = (((first == among) | (second == among)) & used[count:]).any(axis=1)
        levels = np.vstack([np.arange(count)[:, None].repeat(len(rows), axis=1), cells[0]])
        values, outputs = np.vstack([here, np.zeros_like(cells[0])]), np.zeros_like(here)
        before = slice(0, self._outputs)
        unread = ~read[before] & used[before]
        for slot in range(count, slots):
            cell = slot - count
            idle = (levels[before] == levels[slot]) & unread if slot >= self._outputs else unread[:0]
            idles, idling = packed(values[: len(idle)], idle)
            at = np.stack([first[cell], second[cell]])
            pair = levels[at, rows], np.vstack([values[at, rows], idles[: idling.max(initial=0)]])
            key = np.vstack([genotypes[:, :3].T, cells[:2, cell], idling])
            values[slot] = self._compose_cell(key, *pair, there & used[slot], tape)
            if slot >= self._outputs:
                outputs[levels[slot], rows] = values[slot]
        return outputs

    def _compose_cell(self, key: Indices, read: Indices, inputs: Indices, there: Mask, tape: Tape) -> Indices:
        """Lay out a cell of many necks and return its outputs (N,).

        Args:
            key: (6, N) width, operation, attention, level, fusion, number of idle tensors.
            read: (2, N) levels of the two tensors that it reads.
            inputs: (2 + idle, N) these tensors and the idle ones.
            there: (N,) necks that have the cell.
            tape: receives it.
        """
        width, op, attention, level, fusion, idling = key
        first, second = read if self.version == "tf" else read[::-1]
        turned = (np.array(self.fusions) == "gate")[fusion] & (first < second)
        fitted = tape.lay("resampled", [width, level, *read], self._resampled, inputs, there)
        merged = np.vstack([fitted, inputs[2:]])
        merged = tape.lay("merged", [width, level, fusion, turned, idling], self._merged, merged, there)
        made: Indices = tape.lay("block", [width, op, attention, level], self._block, merged, there)[0]
        return made

    def _resampled(self, key: tuple[int, ...]) -> Fragment:
        """Return two tensors brought to a level: the width, that level, their own."""
        width, level = self.widths[key[0]], self.levels[key[1]]
        inputs = [Input(name, self.levels[at], width) for name, at in zip("ab", key[2:], strict=True)]
        ops = {entry.id: self._merging(width).resample(entry.level, level) for entry in inputs}
        nodes = [Node(f"at_{name}", level, width, (Edge(name, ops[name]),)) for name in ops if ops[name]]
        outputs = [f"at_{name}" if made else name for name, made in ops.items()]
        return Fragment(tuple(inputs), tuple(nodes), tuple(outputs))

    def _merged(self, key: tuple[int, ...]) -> Fragment:
        """Return a fusion: width, level, fusion, whether the second tensor comes first, idle ones."""
        width, level, idle = self.widths[key[0]], self.levels[key[1]], range(key[4])
        inputs = [Input(name, level, width) for name in ("a", "b", *(f"idle{index}" for index in idle))]
        edges = [Edge(entry.id) for entry in inputs]
        nodes = []
        if self.fusions[key[2]] == "gate":
            pair = tuple(edges[:2][::-1] if key[3] else edges[:2])
            nodes.append(Node("gate", level, width, pair, self._merging(width).gate()))
            edges = [Edge("gate"), *edges[2:]]
        if len(edges) > 1:
            nodes.append(Node("sum", level, width, tuple(edges), Sum()))
        return Fragment(tuple(inputs), tuple(nodes), (nodes[-1].id,))

    def _block(self, key: tuple[int, ...]) -> Fragment:
        """Return what stands after a fusion: width, operation, attention, level."""
        width, level = self.widths[key[0]], self.levels[key[3]]
        merging = self._merging(width, Block(self.ops[key[1]], self.attentions[key[2]]))
        node = Node("block", level, width, (Edge("merged"),), None, merging.operation("block"))
        return Fragment((Input("merged", level, width),), (node,), ("block",))

    def _merging(self, width: int, block: Block | None = None) -> Merging:
        return Merging(self.style, self.version, width, block or self.full_block)

    def genotype(
        self, width: int, block: Block, stacks: int, merges: Sequence[Cell], outputs: Sequence[Cell]
    ) -> Genotype:
        """Return the canonical genotype of what `build` takes; cells are numbered without gaps.

        Raises:
            NotInSpace: the space does not have the width, the block, a number or a cell.
        """
        made = [index_of("width", self.widths, width), index_of("op", self.ops, block.op)]
        made.append(index_of("attention", self.attentions, block.attention))
        made += [index_of("stacks", self.stacks, stacks), index_of("merges", self.merges, len(merges))]
        if sorted(cell.level for cell in outputs) != list(self.levels):
            raise NotInSpace(f"{self.name} has an output cell for each level of {list(self.levels)}")
        gap = max(self.merges) - len(merges)
        for cell in merges:
            made += self._genes_of(cell, 0, 0)
        made += [0] * (4 * gap)
        for cell in outputs:
            made += self._genes_of(cell, len(self.levels) + len(merges), gap)
        return self.canonical(made)

    def _genes_of(self, cell: Cell, above: int, gap: int) -> list[int]:
        """Return the genes of a cell, what it reads moved up by `gap` from slot `above` on."""
        first, second = (at + gap if above and at >= above else at for at in (cell.first, cell.second))
        level = index_of("level", self.levels, cell.level)
        return [level, index_of("fusion", self.fusions, cell.fusion), first, second - 1]

    def candidates(self, matcher: Matcher, width: int) -> Iterator[Genotype]:
        """Yield the genotypes of the cells that the matcher's architecture ends with; the rest may differ."""
        for block in self.blocks:
            merging = Merging(self.style, self.version, width, block)
            for stacks in self.stacks:
                for merges, outputs in readings(
                    matcher.architecture, merging, self.levels, self.merges, stacks
                ):
                    try:
                        yield self.genotype(width, block, stacks, merges, outputs)
                    except NotInSpace:
                        continue

    def cover(self) -> list[Architecture]:
        """Return architectures at the largest width that together hold every shared tensor."""
        count, merges = len(self.levels), max(self.merges)
        found = []
        for block in self.blocks:
            for turn in range(count):
                turned = [self.levels[(index + turn) % count] for index in range(merges)]
                every = [Cell(level, self.fusions[0], 0, 1) for level in (*turned, *self.levels)]
                cells = dict(enumerate(every, count))
                found.append(self.build(self.widths[-1], block, max(self.stacks), cells))
        return found

    def baselines(self) -> dict[str, Genotype]:
        """Return the genotype of NAS-FPN, by name, where the space has its five levels and seven cells.

        At the largest width, with 3x3 convolutions and as many stacks as the space has, up to seven.
        """
        stacks = max((number for number in self.stacks if number <= 7), default=self.stacks[0])
        if len(self.levels) != 5:
            return {}
        merges, outputs = (
            [cell._replace(level=self.levels[cell.level]) for cell in cells] for cells in _NAS_FPN
        )
        try:
            return {"nas_fpn": self.genotype(self.widths[-1], self.full_block, stacks, merges, outputs)}
        except NotInSpace:
            return {}


def _pairs(order: Sequence[int], readable: int) -> int:
    """Return in how many ways output cells of levels in that order read, the first one `readable` tensors."""
    falls = [False, *(after < before for before, after in pairwise(order))]
    return prod(readable + at - 1 if fall else comb(readable + at, 2) for at, fall in enumerate(falls))
