"""Predictions for genotypes of a space, thousands at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from evaluators.latency.features import Lowered
from evaluators.latency.piece_tables import PieceTables
from evaluators.latency.predictor import Predictor
from evaluators.latency.tape import KernelTape
from search_space.composition import Indices
from search_space.errors import NotComposable
from search_space.space import Genotype, Space

Floats = NDArray[np.float64]

CHUNK = 4096
"""Genotypes laid out at a time: as many as fit into a processor's cache."""


class GenotypePredictor:
    """Predicts for canonical genotypes of one space what `Predictor.predict` does for their architectures.

    It is exact, for every neck of every space: dead nodes, operations that a runtime merges or folds and
    changes of layout between neighbours included, the kernels are those of the neck's own lowering.
    Predictions differ by the rounding of sums in another order only. Fragments of necks are lowered when
    they first occur and kept, which makes later calls faster. A space that cannot lay out many necks at once
    is lowered neck by neck. Genotypes must be canonical, as a space samples, mutates and crosses them.
    """

    def __init__(self, predictor: Predictor, space: Space) -> None:
        """Predict for `space` by `predictor`, on whose device, image size and batch the kernels depend."""
        self._predictor, self._space = predictor, space
        self._choices = np.array([len(gene.choices) for gene in space.genes])
        self._inputs = space.architecture(space.smallest()).inputs
        fingerprint = predictor.fingerprint
        self._tables = PieceTables(predictor.lowering, fingerprint.image, fingerprint.batch)

    def predict(self, genotypes: Sequence[Genotype] | Indices) -> Floats:
        """Return times (n,) in the predictor's unit of canonical genotypes (n, genes); see `lowered`."""
        table = self._checked(genotypes)
        try:
            found = list(map(self._entries, _chunks(table)))
        except NotComposable:
            return self._predictor.predict_lowered(self._alone(table))
        amounts, classes = self._tables.amounts()
        costs = self._predictor.costs(amounts, classes)
        sums = [costs.sums(*each, len(chunk)) for each, chunk in zip(found, _chunks(table), strict=True)]
        return np.concatenate([np.zeros(0), *sums])

    def lowered(self, genotypes: Sequence[Genotype] | Indices) -> Lowered:
        """Return the kernel totals of canonical genotypes (n, genes).

        Raises:
            NotInSpace: a genotype with a choice that the space does not have.
            PredictorMismatch: the coefficients are of another version of the kernel lists.
        """
        table = self._checked(genotypes)
        try:
            found = list(map(self._entries, _chunks(table)))
        except NotComposable:
            return self._alone(table)
        amounts, classes = self._tables.amounts()
        rows = [
            _counts(*each, len(chunk), len(amounts)) @ amounts
            for each, chunk in zip(found, _chunks(table), strict=True)
        ]
        sums = np.vstack([np.zeros((0, amounts.shape[1])), *rows])
        return Lowered(np.column_stack([np.ones(len(table)), sums]), classes)

    def _checked(self, genotypes: Sequence[Genotype] | Indices) -> Indices:
        """Return genotypes as an array (n, genes) of choices that the space has."""
        self._predictor.require_kernel_lists()
        table = np.asarray(genotypes, dtype=np.int64).reshape(len(genotypes), len(self._choices))
        wrong = np.flatnonzero(((table < 0) | (table >= self._choices)).any(axis=1))
        if wrong.size:
            self._space.check(table[wrong[0]].tolist())
        return table

    def _alone(self, table: Indices) -> Lowered:
        return self._predictor.lowered([self._space.architecture(tuple(row)) for row in table.tolist()])

    def _entries(self, genotypes: Indices) -> tuple[Indices, Indices]:
        tape = KernelTape(self._tables, self._inputs, len(genotypes))
        return tape.entries(self._space.compose(genotypes, tape))


def _chunks(table: Indices) -> list[Indices]:
    return [table[at : at + CHUNK] for at in range(0, len(table), CHUNK)]


def _counts(entries: Indices, necks: Indices, count: int, known: int) -> csr_array:
    """Return how often each of `count` necks runs each of the `known` entries."""
    return csr_array((np.ones(len(entries)), (necks, entries)), shape=(count, known))
