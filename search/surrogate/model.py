"""The processes fitted to a history, and the pool of candidates that their predictions lead to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, genotypes, known
from search.pareto import front, ranks
from search.surrogate.features import Ground
from search.surrogate.gaussian import Posterior, fit
from search.surrogate.inner import evolve

Array = NDArray[np.float64]

POOL = 150
"""Candidates whose exact cheap scores are looked up for one batch."""
OPTIMISM = 1.0
"""Standard deviations by which the inner search prefers what is uncertain."""


@dataclass(frozen=True)
class Model:
    """One process a dear objective, over the masked encoding and the cheap objectives.

    Attributes:
        ground: what was known before.
        processes: in the order of the dear objectives.
    """

    ground: Ground
    processes: tuple[Posterior, ...]

    @staticmethod
    def of(base: Ground, rows: Sequence[Evaluation]) -> "Model":
        """Return the model fitted to scored evaluations of the space."""
        costs = cost_table(rows, base.problem)
        seen = base.features(base.encode(genotypes(rows)), base.logs(costs))
        dear = costs[:, ~base.exact].T
        return Model(base, tuple(fit(seen, column, base.columns) for column in dear))

    @property
    def dear(self) -> NDArray[np.intp]:
        """The positions of the objectives that are predicted."""
        return np.flatnonzero(~self.ground.exact)

    def see(self, chosen: Sequence[Genotype], costs: Array | None = None) -> tuple[Array, Array]:
        """Return features (N, F) and objectives (N, M) with the dear ones at 0; the cheap ones from `costs`,
        else guessed.
        """
        encodings = self.ground.encode(chosen)
        logs = self.ground.guess(chosen, encodings) if costs is None else self.ground.logs(costs)
        table = np.zeros((len(chosen), len(self.ground.exact)))
        table[:, self.ground.exact] = (
            self.ground.costs(logs) if costs is None else costs[:, self.ground.exact]
        )
        return self.ground.features(encodings, logs), table

    def beliefs(self, chosen: Sequence[Genotype], costs: Array | None = None) -> tuple[Array, Array]:
        """Return the objectives and their standard deviations (N, M) each; `see` tells of the cheap ones."""
        seen, table = self.see(chosen, costs)
        deviations = np.zeros_like(table)
        for column, process in zip(self.dear, self.processes, strict=True):
            table[:, column], deviations[:, column] = process.marginal(seen)
        return table, deviations

    def hope(self, chosen: Sequence[Genotype]) -> Array:
        """Return guessed cheap objectives and optimistic dear ones (N, M)."""
        table, deviations = self.beliefs(chosen)
        hoped: Array = table - OPTIMISM * deviations
        return hoped

    def pool(
        self, history: Sequence[Evaluation], rows: Sequence[Evaluation], rng: np.random.Generator
    ) -> list[Genotype]:
        """Return up to `POOL` feasible genotypes, unknown to `history`, near the front of the predictions."""
        base, problem = self.ground, self.ground.problem
        best = genotypes([rows[index] for index in front(cost_table(rows, problem))])
        drawn = [base.drawn[index].genotype for index in rng.permutation(len(base.drawn))[:POOL]]
        start = [*best, *base.encoder.mutants(best, POOL, rng), *drawn]
        last, hopes = evolve(base.encoder, self.hope, start, rng)
        met = set(last)
        extra = [entry for entry in base.encoder.mutants(best, 4 * POOL, rng) if entry not in met]
        if extra:
            hopes = np.vstack([hopes, self.hope(extra)])
        return self._new([*last, *extra], np.argsort(ranks(hopes), kind="stable"), known(history))

    def _new(self, found: Sequence[Genotype], order: NDArray[np.intp], taken: set[str]) -> list[Genotype]:
        """Return the first `POOL` of `found`, in `order`, that are feasible and of a key not `taken`."""
        problem, new = self.ground.problem, dict[str, Genotype]()
        for index in order[: 2 * POOL]:
            candidate = problem.candidate(found[index])
            if candidate.key not in taken and candidate.key not in new and problem.feasible(candidate):
                new[candidate.key] = candidate.genotype
            if len(new) == POOL:
                break
        return list(new.values())
