"""The masked encoding of many genotypes at once: `Space.encode`, and which genes are active, remembered."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Genotype
from search.problem import SearchSpace

MEMORY = 100_000
"""Genotypes whose active genes are remembered."""


class Encoder:
    """Encodes genotypes of one space.

    Attributes:
        sizes: number of choices of each gene (G,).
        columns: the gene of each column of an encoding (E,).
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self.sizes = np.array([len(gene.choices) for gene in space.genes], dtype=np.intp)
        self.columns = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._levels = np.concatenate([np.arange(size) for size in self.sizes])
        self._ordinal = np.array([gene.ordinal for gene in space.genes])[self.columns]
        self._active: dict[Genotype, tuple[bool, ...]] = {}

    def active(self, genotypes: Sequence[Genotype]) -> NDArray[np.bool_]:
        """Return which genes of canonical genotypes mean something (N, G)."""
        if len(self._active) > MEMORY:
            self._active.clear()
        new = [genotype for genotype in genotypes if genotype not in self._active]
        if new:
            found = self._space.active_many(np.array(new, dtype=np.int64)).tolist()
            self._active |= dict(zip(new, map(tuple, found), strict=True))
        table = [self._active[genotype] for genotype in genotypes]
        return np.array(table, dtype=np.bool_).reshape(len(table), len(self.sizes))

    def encode(self, genotypes: Sequence[Genotype]) -> NDArray[np.float64]:
        """Return the encodings (N, E) of canonical genotypes.

        A gene of k choices takes k columns, all 0 where inactive: ordinal ones [active, choice >= 1, ...],
        others one-hot.
        """
        chosen = np.array(genotypes, dtype=np.intp).reshape(len(genotypes), len(self.sizes))[:, self.columns]
        hits = np.where(self._ordinal, chosen >= self._levels, chosen == self._levels)
        encoded: NDArray[np.float64] = (hits & self.active(genotypes)[:, self.columns]).astype(np.float64)
        return encoded

    def mutants(self, parents: Sequence[Genotype], count: int, rng: np.random.Generator) -> list[Genotype]:
        """Return up to `count` distinct canonical genotypes that differ from a parent in one active gene."""
        picks = rng.integers(len(parents), size=count)
        table = np.array(parents, dtype=np.intp)[picks]
        open_ = self.active(parents)[picks] & (self.sizes > 1)
        genes = np.argmax(np.where(open_, rng.random(table.shape), -1.0), axis=1)
        rows = np.arange(count)
        shift = 1 + (rng.random(count) * (self.sizes[genes] - 1)).astype(np.intp)
        table[rows, genes] = (table[rows, genes] + shift) % self.sizes[genes]
        return self.canonical(table)

    def canonical(self, table: NDArray[np.int64]) -> list[Genotype]:
        """Return the distinct canonical genotypes of rows (N, G), in order."""
        return list(dict.fromkeys(map(tuple, self._space.canonical_many(table).tolist())))
