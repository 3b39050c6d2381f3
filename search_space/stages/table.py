"""What the genes of stages mean, for many genotypes at once."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search_space.composition import Indices

Domain = tuple[int, int, Sequence[Sequence[int]]]
"""Of a gene: its stage (0: none), the earlier gene that decides, the choices that mean something by that."""


class StageTable:
    """The domains of genes that depend on the number of stages and on one earlier gene each."""

    def __init__(
        self, number: int, stages: Sequence[int], domains: Sequence[Domain], sizes: Sequence[int]
    ) -> None:
        """Take the domains; gene `number` chooses from `stages`, and `sizes` counts each gene's choices."""
        self._number, self._stages = number, np.array(stages)
        self._domains, self._sizes = domains, np.array(sizes)

    def holds(self, genotypes: Indices) -> bool:
        """Return whether every row (N, genes) has a choice for each gene."""
        fits = genotypes.shape[1:] == self._sizes.shape
        return fits and bool(((genotypes >= 0) & (genotypes < self._sizes)).all())

    def canonical(self, genotypes: Indices) -> Indices:
        """Return the rows with genes that mean nothing at 0, choices that mean none at the nearest other."""
        made = genotypes.astype(np.int64)
        for index, ((stage, decides, _), (nearest, _)) in enumerate(
            zip(self._domains, self._tables, strict=True)
        ):
            choice = nearest[made[:, decides], made[:, index]]
            made[:, index] = np.where(self._used(stage, made), choice, 0)
        return made

    def active(self, genotypes: Indices) -> NDArray[np.bool_]:
        """Return which genes of each row mean something (N, genes)."""
        columns = [
            means[genotypes[:, decides]] & self._used(stage, genotypes)
            for (stage, decides, _), (_, means) in zip(self._domains, self._tables, strict=True)
        ]
        return np.column_stack(columns)

    def _used(self, stage: int, genotypes: Indices) -> NDArray[np.bool_]:
        used: NDArray[np.bool_] = self._stages[genotypes[:, self._number]] >= stage
        return used

    @cached_property
    def _tables(self) -> list[tuple[Indices, NDArray[np.bool_]]]:
        """For each gene by the choice that decides: the nearest choice that means something to each choice
        (D, choices), 0 where none does, and whether any does (D,).
        """
        return [
            (
                np.array([_nearest(known, size) for known in domains], dtype=np.int64),
                np.array([len(known) > 0 for known in domains]),
            )
            for (_, _, domains), size in zip(self._domains, self._sizes.tolist(), strict=True)
        ]


def _nearest(known: Sequence[int], size: int) -> list[int]:
    """Return for each of `size` choices the nearest known one, the first of two, 0 where there is none."""
    if not known:
        return [0] * size
    return [min(known, key=lambda other: abs(other - choice)) for choice in range(size)]
