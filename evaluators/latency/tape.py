"""The kernels of thousands of necks at once, exactly those that lowering each of them alone gives.

Necks of a space are the same fragments wired differently (`search_space.composition`). Their pieces stand in
rows, one neck a column, and each pass over them (which are dead, which repeat another's result, how often a
value is read, in which layout it exists) looks at one row of all necks at a time. What a piece runs is
looked up by the piece and what arrives at it, and lowered only the first time that this combination occurs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.latency.piece_tables import FEATURE, PieceTables
from search_space.architecture import Input
from search_space.composition import Build, Indices, Mask

Counts = NDArray[np.int16]

_PIECES, _VALUES = 14, 10
"""Bits of the number of a piece and of a value within a neck; five values and a piece are one number."""


@dataclass
class _Row:
    """Pieces of some necks at one place of the order of execution.

    Attributes:
        pieces: their numbers, (n,).
        made: the values that they make, (n,).
        sources: what they read, each (n,); 0 where a piece has fewer inputs.
    """

    pieces: Indices
    made: Indices
    sources: list[Indices]

    def only(self, kept: Mask) -> "_Row":
        """Return the pieces that are kept."""
        return _Row(self.pieces[kept], self.made[kept], [source[kept] for source in self.sources])


class _Chains:
    """The pieces that read each value first, in chains: what was made of it, latest first."""

    def __init__(self, values: int) -> None:
        self._last, self._before = np.zeros((2, values), dtype=np.int32)
        self._codes = np.zeros(values, dtype=np.int64)

    def find(self, source: Indices, code: Indices, made: Indices) -> Indices:
        """Return what was made by the same `code` of each source, `made` where nothing was; remember it."""
        found, latest = made.copy(), self._last[source]
        waiting = np.flatnonzero(latest)
        at, wanted = latest[waiting], code[waiting]
        while waiting.size:
            equal = self._codes[at] == wanted
            found[waiting[equal]] = at[equal]
            at = self._before[at]
            further = np.flatnonzero(~equal & (at > 0))
            waiting, at, wanted = waiting[further], at[further], wanted[further]
        self._codes[made], self._before[made] = code, latest
        new = np.flatnonzero(found == made)
        self._last[source[new]] = made[new]
        return found


def _any(masks: Iterable[Mask]) -> Mask:
    return np.logical_or.reduce(list(masks))


class KernelTape:
    """Lays out N necks as rows of pieces, and finds what each of them runs.

    A value is numbered by its place in the order of execution times N plus its neck; place 0 stands for
    none, the next ones for the backbone's features.
    """

    def __init__(self, tables: PieceTables, features: Sequence[Input], size: int) -> None:
        """Start `size` empty necks that read `features`."""
        self._tables, self._necks, self._given = tables, np.arange(size), len(features)
        self._rows: list[_Row] = []

    @property
    def features(self) -> Indices:
        """The backbone's feature maps, (inputs, N)."""
        return np.arange(1, self._given + 1)[:, None] * len(self._necks) + self._necks

    def lay(
        self, site: str, keys: Sequence[Indices], build: Build, inputs: Indices, where: Mask | None = None
    ) -> Indices:
        """Lay out a fragment in each neck and return its outputs; see `search_space.composition.Tape`."""
        found = self._tables.site(site)
        chosen = found.lookup(keys, build, where)
        if not chosen.any():
            return np.zeros((1, len(chosen)), dtype=np.int64)
        values = np.zeros((1 + len(inputs) + len(found.pieces), len(chosen)), dtype=np.int64)
        values[1 : 1 + len(inputs)] = inputs
        for place, pieces in enumerate(found.pieces):
            there = np.flatnonzero(pieces[chosen])
            if len(there) == 0:
                continue
            which = chosen[there]
            made = (1 + self._given + len(self._rows)) * len(chosen) + there
            reads = found.sources[place, : found.inputs[place]]
            row = [values[source[which], there] for source in reads]
            values[-1 - place, there] = made
            self._rows.append(_Row(pieces[which], made, row))
        return np.stack([values[output[chosen], self._necks] for output in found.outputs])

    def entries(self, outputs: Indices) -> tuple[Indices, Indices]:
        """Return what necks with `outputs` (levels, N) run: entries of the tables and whose they are."""
        self._bury(outputs)
        if not self._tables.lowering.merges:
            entries = [self._tables.entries(row.pieces) for row in self._rows]
        else:
            entries = self._run(self._merge()[outputs])
        made = np.concatenate([*(row.made for row in self._rows), *outputs])[: sum(map(len, entries))]
        return np.concatenate(entries), made % len(self._necks)

    @property
    def _values(self) -> int:
        return (1 + self._given + len(self._rows)) * len(self._necks)

    def _bury(self, outputs: Indices) -> None:
        """Remove what no output depends on."""
        alive = np.zeros(self._values, dtype=bool)
        alive[outputs] = True
        for index in reversed(range(len(self._rows))):
            row = self._rows[index]
            self._rows[index] = row = row.only(alive[row.made])
            for source in row.sources:
                alive[source] = True

    def _merge(self) -> Indices:
        """Remove pieces that repeat another one's result; return for each value the one that stays.

        What reads a value that only it reads, and that no other can turn out to be, repeats nothing.
        """
        same, own, chains = np.arange(self._values), self._readers() == 1, _Chains(self._values)
        moved, mergeable = np.zeros(self._values, dtype=bool), self._tables.mergeable
        for index, row in enumerate(self._rows):
            for source in row.sources:
                others = np.flatnonzero(moved[source])
                source[others] = same[source[others]]
            may = np.flatnonzero(mergeable[row.pieces])
            if may.size:
                may = may[~_any(own[source[may]] for source in row.sources)]
            if may.size == 0:
                continue
            code, made = row.pieces[may], row.made[may]
            own[made] = False
            for place, source in enumerate(row.sources):
                code = code + (source[may] // len(self._necks) << _PIECES + _VALUES * place)
            first = chains.find(row.sources[0][may], code, made)
            repeats = np.flatnonzero(first != made)
            if repeats.size:
                same[made[repeats]], moved[made[repeats]] = first[repeats], True
                kept = np.ones(len(row.made), dtype=bool)
                kept[may[repeats]] = False
                self._rows[index] = row.only(kept)
        return same

    def _readers(self, weights: Counts | None = None) -> Counts:
        """Return how many pieces read each value, each counted once or by its weight; of none, 0."""
        readers = np.zeros(self._values, dtype=np.int16)
        for row in self._rows:
            counted = 1 if weights is None else weights[row.pieces]
            for source in row.sources:
                readers[source] += counted
        readers[: len(self._necks)] = 0
        return readers

    def _run(self, outputs: Indices) -> list[Indices]:
        """Return the entries of each row, and of handing out each of the outputs."""
        held, pieces = np.zeros((2, self._values), dtype=np.int16)
        readers = self._readers(self._tables.readings.astype(np.int16))
        for output in outputs:
            readers[output] += 2
        alone, held[self.features] = readers == 1, FEATURE
        entries = []
        for row in self._rows:
            entries.append(self._tables.entries(row.pieces, self._arrivals(row.sources, held)))
            joined, left, *inputs = self._tables.left[entries[-1]].T
            held[row.made], pieces[row.made] = np.where(alone[row.made], joined, left), row.pieces
            for source, state in zip(row.sources, inputs, strict=False):
                held[source] = state
        for output in outputs:
            handing = self._tables.handing[pieces[output]]
            entries.append(self._tables.entries(handing, [held[output]]))
            held[output] = self._tables.left[entries[-1]][:, 2]
        return entries

    def _arrivals(self, sources: Sequence[Indices], held: Counts) -> list[Indices]:
        """Return what arrives at each input of a row of pieces: what is held of it, in the lowest bits
        1 + the first input at which it arrives too, 0 for this one.
        """
        found = []
        for index, source in enumerate(sources):
            arrived = held[source].astype(np.int64)
            for other in range(index - 1, -1, -1):
                equal = np.flatnonzero(sources[other] == source)
                if equal.size:
                    equal = equal[source[equal] >= len(self._necks)]
                    arrived[equal] = held[source[equal]] + other + 1
            found.append(arrived)
        return found
