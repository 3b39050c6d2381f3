"""What is known of a space's fragments and pieces on one device; it grows as new ones are seen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.latency.expansion import Program, expand
from evaluators.latency.features import Totals, matrix, vocabulary
from evaluators.latency.lowering import Lowering
from evaluators.latency.pieces import Arrival, Held, Piece, cut
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.composition import Build, Fragment, Indices, Mask
from search_space.errors import NotComposable
from search_space.op import Size

Floats = NDArray[np.float64]

_STATE_BITS, _FIRST_BITS = 5, 3
ARRIVAL_BITS = _STATE_BITS + 1 + _FIRST_BITS
"""Bits of what arrives at one input of a piece; see `arrival`."""
MOST_INPUTS = 5
"""Inputs of a piece that fit into 64 bits beside its number."""
_SPARE_BITS = 2
"""Bits of a hash table's slots beyond those that number its codes."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio."""


class _Column:
    """A list that grows, and its array."""

    def __init__(self, first: int | list[int]) -> None:
        self.values: list[int | list[int]] = [first]
        self._array: Indices = np.array(self.values)

    @property
    def array(self) -> Indices:
        if len(self._array) < len(self.values):
            self._array = np.concatenate([self._array, np.array(self.values[len(self._array) :])])
        return self._array


def _arriving(state: int, *, alone: bool = False) -> int:
    """Return in `ARRIVAL_BITS` bits what arrives at an input: its state, whether nothing else reads it, and
    as zero 1 + the first input at which it arrives too, where that is another one.
    """
    return (state << 1 | alone) << _FIRST_BITS


FEATURE = _arriving(1)
"""What arrives where a backbone's feature map is read."""


class _Index:
    """Finds numbers by codes that are not negative: in a hash table first, of what it has no room for by
    bisection.
    """

    def __init__(self) -> None:
        self._codes, self._numbers = np.array([np.iinfo(np.int64).max]), np.array([-1])
        self._spread()

    def find(self, codes: Indices) -> Indices:
        """Return the number of each code, -1 where it is new."""
        slots = self._slots(codes)
        found = self._held_numbers[slots]
        elsewhere = np.flatnonzero(self._held_codes[slots] != codes)
        if elsewhere.size:
            missed = codes[elsewhere]
            places = np.searchsorted(self._codes, missed)
            found[elsewhere] = np.where(self._codes[places] == missed, self._numbers[places], -1)
        return found

    def add(self, codes: Indices, numbers: Indices) -> None:
        """Take in new codes, ascending."""
        places = np.searchsorted(self._codes, codes)
        self._codes = np.insert(self._codes, places, codes)
        self._numbers = np.insert(self._numbers, places, numbers)
        self._spread()

    def _spread(self) -> None:
        """Give each code its slot; of several with one slot the last stays."""
        self._shift = np.uint64(64 - _SPARE_BITS - len(self._codes).bit_length())
        slots = self._slots(self._codes)
        self._held_codes = np.full(1 << 64 - int(self._shift), -1)
        self._held_numbers = np.full(len(self._held_codes), -1)
        self._held_codes[slots], self._held_numbers[slots] = self._codes, self._numbers

    def _slots(self, codes: Indices) -> Indices:
        """Return the highest bits of the codes times an odd number (Fibonacci hashing, Knuth 1973)."""
        spread = codes.astype(np.uint64) * _GOLDEN
        return (spread >> self._shift).astype(np.int64)


class Cut(NamedTuple):
    """A fragment in pieces.

    Attributes:
        pieces: their numbers, in the order of execution.
        sources: what each reads: i: the fragment's i-th input, -i: its i-th piece, counted from 1.
        outputs: in the same numbers.
    """

    pieces: list[int]
    sources: list[list[int]]
    outputs: list[int]


def _shifted(number: int, read: Sequence[int], start: int) -> int:
    """Return what a node's source or output is within a fragment, given what the node reads there."""
    return read[number - 1] if number > 0 else number - start


class SiteTable:
    """The fragments of one site in pieces: position 0 is an empty one.

    Attributes:
        pieces: numbers of the pieces (places, fragments); 0: none.
        sources: what they read, see `Cut` (places, inputs, fragments); 0: nothing.
        inputs: how many of these inputs are used at a place (places,).
        outputs: in the same numbers (outputs, fragments).
    """

    def __init__(self, tables: "PieceTables") -> None:
        self._tables = tables
        self._bits: list[int] = []
        self._begin()

    def _begin(self) -> None:
        self._index = _Index()
        self.pieces = self.outputs = np.zeros((0, 1), dtype=np.int64)
        self.sources = np.zeros((0, MOST_INPUTS, 1), dtype=np.int64)

    def lookup(self, keys: Sequence[Indices], build: Build, where: Mask | None) -> Indices:
        """Return the position (N,) of each neck's fragment, 0 outside `where`."""
        there = slice(None) if where is None else np.flatnonzero(where)
        codes = self._codes(keys)[there]
        found = self._index.find(codes)
        if found.min(initial=0) < 0:
            new, first = np.unique(codes[found < 0], return_index=True)
            known, places = self.pieces.shape[1], np.flatnonzero(found < 0)[first]
            every = np.stack([key[there][places] for key in keys], axis=1).tolist()
            self._grow([self._tables.cut(build(tuple(key))) for key in every])
            self._index.add(new, np.arange(known, known + len(new)))
            found = self._index.find(codes)
        if where is None:
            return found
        positions = np.zeros(len(where), dtype=np.int64)
        positions[there] = found
        return positions

    def _codes(self, keys: Sequence[Indices]) -> Indices:
        """Return keys, each (N,), as one number each; with larger keys than before, start anew."""
        bits = [int(key.max(initial=0)).bit_length() for key in keys]
        if any(now > was for now, was in zip(bits, self._bits or [-1] * len(bits), strict=True)):
            self._bits = [max(pair) for pair in zip(bits, self._bits or bits, strict=True)]
            self._begin()
            if sum(self._bits) > 63:
                raise NotComposable(f"the choices of a fragment take {sum(self._bits)} bits; at most 63 fit")
        codes = np.zeros(len(keys[0]), dtype=np.int64)
        for key, width in zip(keys, self._bits, strict=True):
            codes = (codes << width) | key
        return codes

    def _grow(self, cuts: Sequence[Cut]) -> None:
        """Take in further fragments."""
        places, count = max(len(made.pieces) for made in cuts), len(cuts)
        pieces = np.zeros((places, count), dtype=np.int64)
        sources = np.zeros((places, MOST_INPUTS, count), dtype=np.int64)
        for index, made in enumerate(cuts):
            pieces[: len(made.pieces), index] = made.pieces
            for place, reads in enumerate(made.sources):
                sources[place, : len(reads), index] = reads
        self.pieces, self.sources = _beside(self.pieces, pieces), _beside(self.sources, sources)
        self.outputs = _beside(self.outputs, np.array([made.outputs for made in cuts]).T)
        self.inputs = (self.sources != 0).any(axis=2).sum(axis=1)


def _beside(old: Indices, new: Indices) -> Indices:
    """Return arrays beside one another along the last axis, zeros below the one with fewer rows."""
    known = old.shape[-1]
    made = np.zeros((max(len(old), len(new)), *old.shape[1:-1], known + new.shape[-1]), dtype=np.int64)
    made[: len(old), ..., :known], made[: len(new), ..., known:] = old, new
    return made


class PieceTables:
    """Fragments, pieces and what they run, each looked at once.

    Attributes:
        lowering: of the device.
    """

    def __init__(self, lowering: Lowering, image_size: Size, batch: int = 1) -> None:
        self.lowering, self._image_size, self._batch = lowering, image_size, batch
        self._sites: dict[str, SiteTable] = {}
        self._pieces: list[Piece] = [Piece((), (), 0)]
        self._nodes: dict[object, Cut] = {}
        self._numbers: dict[object, int] = {}
        self._mergeable, self._handing, self._readings = _Column(0), _Column(0), _Column(0)
        self._states: list[Held] = [Held(), Held(plain=True)]
        self._index = _Index()
        self._index.add(np.array([0]), np.array([0]))
        self._totals: list[Totals] = [{}]
        self._amounts: tuple[Floats, tuple[str, ...]] = np.zeros((1, 0)), ()
        self._left = _Column([0] * (MOST_INPUTS + 2))

    @property
    def mergeable(self) -> Mask:
        """Which pieces, by number, make the same value whenever they read the same ones."""
        return self._mergeable.array.astype(bool)

    @property
    def readings(self) -> Indices:
        """As how many readers of its inputs a piece counts, by number: two where it can join none of them."""
        return self._readings.array

    @property
    def handing(self) -> Indices:
        """By number the piece that hands what a piece makes to whoever runs the neck."""
        return self._handing.array

    @property
    def left(self) -> Indices:
        """What entries leave to be read (entries, 2 + inputs): of the output, where only one piece that may
        join it reads it, and otherwise; then of each input.
        """
        return self._left.array

    def site(self, name: str) -> SiteTable:
        """Return the fragments of a site."""
        if name not in self._sites:
            self._sites[name] = SiteTable(self)
        return self._sites[name]

    def cut(self, fragment: Fragment) -> Cut:
        """Return a fragment in pieces.

        Raises:
            NotComposable: a piece with too many inputs.
        """
        made = Cut([], [], [])
        numbers = {entry.id: index for index, entry in enumerate(fragment.inputs, 1)}
        known = {entry.id: (entry.level, entry.channels) for entry in fragment.inputs}
        for node in fragment.nodes:
            start, read = len(made.pieces), [numbers[edge.source] for edge in node.inputs]
            part = self._node(node, [known[edge.source] for edge in node.inputs])
            made.pieces.extend(part.pieces)
            made.sources.extend([_shifted(at, read, start) for at in reads] for reads in part.sources)
            numbers[node.id] = _shifted(part.outputs[0], read, start)
            known[node.id] = (node.level, node.width)
        made.outputs.extend(numbers[name] for name in fragment.outputs)
        return made

    def _node(self, node: Node, sources: list[tuple[int, int]]) -> Cut:
        """Return a node in pieces, its inputs given as level and channels; equal nodes are cut once."""
        edges = tuple(tuple(op.signature for op in edge.ops) for edge in node.inputs)
        fusion = node.fusion and node.fusion.signature
        key = (node.level, *sources, edges, fusion, *(op.signature for op in node.ops))
        if key not in self._nodes:
            names = [f"x{index}" for index in range(len(sources))]
            inputs = [Input(name, *source) for name, source in zip(names, sources, strict=True)]
            renamed = tuple(Edge(name, edge.ops) for name, edge in zip(names, node.inputs, strict=True))
            level = Input("level", node.level, 1)  # read by no one; it tells the size of the level
            alone = Architecture.trusted(
                (*inputs, level), (replace(node, inputs=renamed),), ((node.level, node.id),)
            )
            self._nodes[key] = self._cut_program(expand(alone, self._image_size))
        return self._nodes[key]

    def _cut_program(self, program: Program) -> Cut:
        numbers = {value: index for index, value in enumerate(program.inputs, 1)}
        made = Cut([], [], [])
        for index, (piece, reads, output) in enumerate(cut(program), 1):
            made.pieces.append(self._number(piece))
            made.sources.append([numbers[value] for value in reads])
            numbers[output] = -index
        made.outputs.extend(numbers[value] for value in program.outputs)
        return made

    def _number(self, piece: Piece) -> int:
        if piece.signature not in self._numbers:
            if piece.arity > MOST_INPUTS:
                raise NotComposable(
                    f"an operation has {piece.arity} inputs; here it has at most {MOST_INPUTS}"
                )
            handing = self._number(Piece((), (piece.shapes[piece.output],), 1)) if piece.jobs else 0
            self._numbers[piece.signature] = len(self._pieces)
            self._pieces.append(piece)
            self._mergeable.values.append(piece.mergeable)
            self._handing.values.append(handing)
            self._readings.values.append(1 if piece.joins else 2)
        return self._numbers[piece.signature]

    def entries(self, pieces: Indices, arrivals: Sequence[Indices] = ()) -> Indices:
        """Return the entries (positions of what runs) of pieces, given what arrives; see `KernelTape`.

        Of inputs that a piece does not have nothing arrives: 0.
        """
        codes = pieces
        for arrived in arrivals:
            codes = (codes << ARRIVAL_BITS) | arrived
        codes = codes << ARRIVAL_BITS * (MOST_INPUTS - len(arrivals))
        found = self._index.find(codes)
        if found.min(initial=0) < 0:
            self._add(np.unique(codes[found < 0]))
            found = self._index.find(codes)
        return found

    def _add(self, codes: Indices) -> None:
        """Lower pieces with what arrives at them."""
        start = len(self._totals)
        for code in codes.tolist():
            number, bits = divmod(code, 1 << ARRIVAL_BITS * MOST_INPUTS)
            shifts = range(ARRIVAL_BITS * (MOST_INPUTS - 1), -1, -ARRIVAL_BITS)
            piece = self._pieces[number]
            arrived = [self._arrival(index, bits >> shift) for index, shift in enumerate(shifts)]
            ran = self.lowering.run_piece(piece, arrived[: piece.arity], self._batch)
            alone = _arriving(self._state(ran.output), alone=ran.output.joinable)
            left = [_arriving(self._state(held.alike)) for held in (ran.output, *ran.inputs)]
            self._totals.append(ran.totals)
            self._left.values.append([alone, *left, *[0] * (MOST_INPUTS + 1 - len(left))])
        self._index.add(codes, np.arange(start, len(self._totals)))

    def _arrival(self, index: int, bits: int) -> Arrival:
        first, alone = bits & (1 << _FIRST_BITS) - 1, bool(bits >> _FIRST_BITS & 1)
        held = self._states[bits >> 1 + _FIRST_BITS & (1 << _STATE_BITS) - 1]
        return Arrival(held, alone, first - 1 if first else index)

    def _state(self, held: Held) -> int:
        if held not in self._states:
            assert len(self._states) < 1 << _STATE_BITS, self._states
            self._states.append(held)
        return self._states.index(held)

    def amounts(self) -> tuple[Floats, tuple[str, ...]]:
        """Return what each entry runs (entries, 3 * classes), and the classes; see `features.matrix`."""
        amounts, classes = self._amounts
        new = self._totals[len(amounts) :]
        if not set(vocabulary(new)) <= set(classes):
            classes = vocabulary(self._totals)
            self._amounts = matrix(self._totals, classes)[:, 1:], classes
        elif new:
            self._amounts = np.vstack([amounts, matrix(new, classes)[:, 1:]]), classes
        return self._amounts
