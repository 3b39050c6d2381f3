"""`path_aggregation`: a densely connected graph of pyramids whose edges are information paths (OPANAS)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import ClassVar

import numpy as np

from search_space.architecture import Architecture, Edge, Node
from search_space.composition import Fragment, Indices, Mask, Tape, packed
from search_space.errors import InvalidSpace, NotInSpace
from search_space.matching import Matcher, Mismatch
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.sum import Sum
from search_space.pyramid import PyramidSpace, index_of, whole_numbers
from search_space.space import Gene, Genotype
from search_space.stages import style as styles
from search_space.stages.information import INFORMATION, Track
from search_space.stages.stage import Block, Choice, Emit, Levels

_OPA_FPN = (
    ("top_down",),
    ("top_down", "top_down"),
    ("fusing_splitting", "none", "skip"),
    ("bottom_up", "skip", "none", "top_down"),
    ("bottom_up", "none", "fusing_splitting", "scale_equalizing", "bottom_up"),
)
"""The published neck: for each node, the paths of its edges from the nodes before it."""
_HEAD = 2
"""Genes before those of the edges: width, number of nodes."""
_PLAIN = ("none", "skip", "scale_equalizing")
"""Paths without the operation that a neck chooses."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PathAggregation(PyramidSpace):
    """Every neck of nodes 1 to n, each the sum of what information paths bring from the nodes before it.

    A node is one tensor a level; node 0 is the laterals, and the output is the sum of nodes 1 to n. The first
    edge brings something new, and something arrives at every node.

    Attributes:
        nodes: numbers of nodes to choose from, the laterals not counted.
        paths: see `stages.information.INFORMATION`; chosen for each edge.
        context: whether its own global mean, convolved, is added to the highest lateral.
        deform: whether the paths' 3x3 convolutions above the lowest level are deformable; not `export_safe`.
        tied: whether both convolutions of a fusing-splitting path are one.
    """

    name: ClassVar[str] = "path_aggregation"

    ops: tuple[str, ...] = ("dw3", "conv3")
    nodes: tuple[int, ...] = (1, 2, 3, 4, 5)
    paths: tuple[str, ...] = tuple(INFORMATION)
    context: bool = True
    deform: bool = False
    tied: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choose("paths", tuple(INFORMATION))
        self.refuse_unexportable(["deform_conv"] if self.deform else [])
        self._set("nodes", whole_numbers("nodes", self.nodes))
        if not self._moving:
            raise InvalidSpace(f"option 'paths' needs one that is neither none nor skip; got {self.paths}")

    @cached_property
    def _moving(self) -> tuple[int, ...]:
        """The paths that bring something new, by index."""
        return tuple(index for index, path in enumerate(self.paths) if path not in ("none", "skip"))

    @cached_property
    def _bringing(self) -> tuple[int, ...]:
        """The paths that bring something, by index."""
        return tuple(index for index, path in enumerate(self.paths) if path != "none")

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The width, the number of nodes, the path of each edge, by node, and the block of all."""
        return (
            Gene("width", self.widths, ordinal=True),
            Gene("nodes", self.nodes, ordinal=True),
            *(Gene(f"n{node}_from_{source}", self.paths) for node, source in self._edges),
            Gene("op", self.ops),
            Gene("attention", self.attentions),
        )

    @cached_property
    def _edges(self) -> tuple[tuple[int, int], ...]:
        return tuple((node, source) for node in range(1, max(self.nodes) + 1) for source in range(node))

    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices that mean something: on edges in use, those that keep every node alive."""
        if index < _HEAD:
            return range(len(self.genes[index].choices))
        if index >= len(genotype) - 2:
            return range(len(self.genes[index].choices)) if self._operates(genotype) else ()
        node, source = self._edges[index - _HEAD]
        if node > self.nodes[genotype[1]]:
            return ()
        if node == 1:
            return self._moving
        if source == node - 1 and all(self.paths[at] == "none" for at in genotype[index - source : index]):
            return self._bringing
        return range(len(self.paths))

    def _operates(self, genotype: Sequence[int]) -> bool:
        nodes = self.nodes[genotype[1]]
        used = genotype[_HEAD : _HEAD + nodes * (nodes + 1) // 2]
        return any(self.paths[path] not in _PLAIN for path in used)

    def size(self) -> int:
        """Return the exact number of canonical genotypes."""
        every = self._graphs(self.paths)
        plain = self._graphs([path for path in self.paths if path in _PLAIN])
        return len(self.widths) * (len(self.blocks) * (every - plain) + plain)

    def _graphs(self, paths: Sequence[str]) -> int:
        """Return the number of ways to put `paths` on the edges."""
        dead = int("none" in paths)
        ways = [len([path for path in paths if path not in ("none", "skip")])]
        ways += [len(paths) ** node - dead for node in range(2, max(self.nodes) + 1)]
        return sum(prod(ways[:number]) for number in self.nodes)

    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the architecture of a genotype, canonical or not.

        Raises:
            NotInSpace: the genotype has another length or an index that no choice has.
        """
        width, number, *chosen, op, attention = self.canonical(genotype)
        block = Block(self.ops[op], self.attentions[attention])
        paths = [self.paths[index] for index in chosen]
        return self.build(self.widths[width], block, _by_node(paths, self.nodes[number]))

    def build(self, width: int, block: Block, paths: Sequence[Sequence[str]]) -> Architecture:
        """Return the neck whose node s + 1 hears from node j along `paths[s][j]`."""
        nodes: list[Node] = []
        made: list[Levels] = [self.laterals(width, nodes.append)]
        for number, along in enumerate(paths, 1):
            arrived = [
                self.carry(width, block, (number, source), path, made[source], nodes.append)
                for source, path in enumerate(along)
            ]
            made.append(self._sum(width, f"n{number}", arrived, nodes.append))
        return self.finish(nodes, self._sum(width, "p", made[1:], nodes.append))

    def laterals(self, width: int, emit: Emit) -> dict[int, str]:
        """Make one tensor of `width` a level; the backbone's highest has its global context added."""
        made = super().laterals(width, emit)
        if self.context:
            top = self.offered[-1]
            pool = AdaptivePool(form="avg", to="pixel")
            context = Edge(made[top], (*styles.conv(self.style, width, 1, "context"), pool))
            emit(Node(f"context_{top}", top, width, (Edge(made[top]), context), Sum()))
            made[top] = f"context_{top}"
        return made

    def carry(
        self, width: int, block: Block, edge: tuple[int, int], path: str, here: Levels, emit: Emit
    ) -> Levels:
        """Lay out an information path on the edge (node, source), and return where it leads."""
        choice = Choice(path, "none", "sum", *block, "inside", "pool2")
        name = "n{}_from_{}_{}".format(*edge, path)
        stage = Track(name, False, choice, width, self.style, here, {}, emit, self.deform, self.tied)
        return INFORMATION[path](stage)

    def _sum(self, width: int, name: str, arrived: Sequence[Levels], emit: Emit) -> Levels:
        """Return at each level the sum of what arrived, or what arrived alone."""
        some = [levels for levels in arrived if levels]
        if len(some) < 2:
            return some[0] if some else {}
        for level in self.levels:
            edges = tuple(Edge(levels[level]) for levels in some)
            emit(Node(f"{name}_l{level}", level, width, edges, Sum()))
        return {level: f"{name}_l{level}" for level in self.levels}

    def compose(self, genotypes: Indices, tape: Tape) -> Indices:
        """Lay out the nodes of many necks; see `Space.compose`."""
        width, number = genotypes[:, 0], np.array(self.nodes)[genotypes[:, 1]]
        made = [self.compose_laterals(width, tape)]
        block = [width, *genotypes[:, -2:].T]
        along = iter(genotypes[:, _HEAD:-2].T)
        for node in range(1, max(self.nodes) + 1):
            there = number >= node
            arrived, brought = [], []
            for source in range(node):
                path = next(along)
                brings = there & np.isin(path, self._bringing)
                arrived.append(tape.lay("edge", [*block, path], self._edge_fragment, made[source], brings))
                brought.append(brings)
            made.append(self._compose_sum(width, arrived, brought, tape))
        there_each = [number >= node for node in range(1, len(made))]
        return self._compose_sum(width, made[1:], there_each, tape)

    def _compose_sum(
        self, width: Indices, arrived: Sequence[Indices], present: Sequence[Mask], tape: Tape
    ) -> Indices:
        """Return at each level the sum of what arrived, (levels, N), or what arrived alone."""
        some = [packed(np.stack(level), np.stack(present)) for level in zip(*arrived, strict=True)]
        alone, counts = np.stack([values[0] for values, _ in some]), some[0][1]
        inputs = np.vstack([values for values, _ in some])
        most = np.full_like(counts, len(arrived))
        summed = tape.lay("sum", [width, counts, most], self._sum_fragment, inputs, counts > 1)
        return np.where(counts > 1, summed, alone)

    def _edge_fragment(self, key: tuple[int, ...]) -> Fragment:
        """Return an edge: its width, operation, attention and path."""
        width, block = self.widths[key[0]], Block(self.ops[key[1]], self.attentions[key[2]])
        nodes: list[Node] = []
        here = {level: f"h{level}" for level in self.levels}
        made = self.carry(width, block, (1, 0), self.paths[key[3]], here, nodes.append)
        return Fragment(self.named("h", width), tuple(nodes), tuple(made[level] for level in self.levels))

    def _sum_fragment(self, key: tuple[int, ...]) -> Fragment:
        """Return a node: its width, how many of its inputs a level are summed, and of how many."""
        width, count, most = self.widths[key[0]], key[1], key[2]
        named = [self.named(f"x{source}_l", width) for source in range(most)]
        arrived = [dict(zip(self.levels, (entry.id for entry in each), strict=True)) for each in named]
        nodes: list[Node] = []
        made = self._sum(width, "n", arrived[:count], nodes.append)
        inputs = tuple(entry for level in zip(*named, strict=True) for entry in level)
        return Fragment(inputs, tuple(nodes), tuple(made[level] for level in self.levels))

    def genotype(self, width: int, block: Block, paths: Sequence[Sequence[str]]) -> Genotype:
        """Return the canonical genotype of what `build` takes.

        Raises:
            NotInSpace: the space does not have the width, the operation, the number of nodes or a path.
        """
        made = [index_of("width", self.widths, width), index_of("nodes", self.nodes, len(paths))]
        made += [index_of("path", self.paths, path) for along in paths for path in along]
        unused = [0] * (len(self.genes) - len(made) - 2)
        op = index_of("op", self.ops, block.op)
        return self.canonical([*made, *unused, op, index_of("attention", self.attentions, block.attention)])

    def candidates(self, matcher: Matcher, width: int) -> Iterator[Genotype]:
        """Yield the genotypes whose every node the matcher's architecture has; ties may still differ."""
        for block in self.blocks:
            for paths in _Trace(self, matcher, width, block).found():
                yield self.genotype(width, block, paths)

    def cover(self) -> list[Architecture]:
        """Return architectures at the largest width that together hold every shared tensor."""
        most = max(self.nodes)
        return [
            self.build(self.widths[-1], block, [[self.paths[path]] * node for node in range(1, most + 1)])
            for block in self.blocks
            for path in self._moving
        ]

    def baselines(self) -> dict[str, Genotype]:
        """Return the genotypes of OPA-FPN, and of FPN's and PAFPN's way of information, by name.

        At the largest width with 3x3 convolutions; a neck that the options leave out is missing.
        """
        designs: Mapping[str, Sequence[Sequence[str]]] = {
            "fpn": [["top_down"]],
            "pafpn": [["top_down"], ["none", "bottom_up"]],
            "opa_fpn": _OPA_FPN,
        }
        found: dict[str, Genotype] = {}
        for name, paths in designs.items():
            try:
                found[name] = self.genotype(self.widths[-1], self.full_block, paths)
            except NotInSpace:
                continue
        return found


def _by_node(paths: Sequence[str], nodes: int) -> list[Sequence[str]]:
    starts = [node * (node - 1) // 2 for node in range(1, nodes + 2)]
    return [paths[start:end] for start, end in pairwise(starts)]


Numbers = tuple[int, ...]
"""What a matcher numbers the tensors of one node of the space, from fine to coarse."""


class _Trace:
    """Reads the paths off an architecture, from the outputs back: they are the sum of all nodes."""

    def __init__(self, space: PathAggregation, matcher: Matcher, width: int, block: Block) -> None:
        self._space, self._width, self._block, self._matcher = space, width, block, matcher
        self._numbers = dict(matcher.inputs)

    def found(self) -> Iterator[tuple[tuple[str, ...], ...]]:
        """Yield the paths of every neck of the space with the same outputs, ties left out."""
        try:
            made = self._space.laterals(self._width, self._match)
        except Mismatch:
            return
        laterals = tuple(self._numbers[made[level]] for level in self._space.levels)
        outputs = tuple(self._matcher.outputs[level] for level in self._space.levels)
        for number in self._space.nodes:
            nodes = [outputs] if number == 1 else self._terms(outputs, number)
            if nodes:
                yield from product(*self._readings([laterals, *nodes]))

    def _match(self, node: Node) -> None:
        self._numbers[node.id] = self._matcher.number(node, self._numbers)

    def _terms(self, summed: Numbers, number: int) -> list[Numbers]:
        """Return what adds up to `summed`, each at all levels; nothing unless it is `number` of them."""
        terms = [self._matcher.terms.get(entry, ()) for entry in summed]
        if any(len(entry) != number for entry in terms):
            return []
        return list(zip(*terms, strict=True))

    def _readings(self, nodes: list[Numbers]) -> list[list[tuple[str, ...]]]:
        """Return for each node after the first every choice of paths from the nodes before it."""
        offers = [self._offers(source, numbers) for source, numbers in enumerate(nodes[:-1])]
        found = []
        for index, summed in enumerate(nodes[1:], 1):
            some = []
            for number in range(1, index + 1):
                terms = [summed] if number == 1 else self._terms(summed, number)
                some += list(_assigned(offers[:index], terms)) if terms else []
            found.append(some)
        return found

    def _offers(self, source: int, here: Numbers) -> list[tuple[str, Numbers]]:
        """Return each path from a node whose every node the architecture has, and where it leads."""
        names = {level: f"x{source}_l{level}" for level in self._space.levels}
        self._numbers |= dict(zip(names.values(), here, strict=True))
        found = []
        for path in self._space.paths:
            try:
                made = self._space.carry(self._width, self._block, (0, source), path, names, self._match)
            except Mismatch:
                continue
            found.append((path, tuple(self._numbers[made[level]] for level in sorted(made))))
        return found


def _assigned(offers: Sequence[list[tuple[str, Numbers]]], terms: list[Numbers]) -> Iterator[tuple[str, ...]]:
    """Yield one path a source such that those which bring something bring `terms`, in order."""
    if not offers:
        if not terms:
            yield ()
        return
    for path, brought in offers[0]:
        if not brought or (terms and brought == terms[0]):
            rest = terms[1:] if brought else terms
            yield from ((path, *others) for others in _assigned(offers[1:], rest))
