"""The default: few evaluations, chosen by a Gaussian process and expected hypervolume improvement.

A small stratified design first. Then, for each batch: a process for each dear objective over the masked
encoding and the cheap objectives; an inner NSGA-II on the predictions, started from the front; and greedy
choice of the candidates that promise the most hypervolume, with the cheap objectives exact.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from search.evaluation import Evaluation, Genotype
from search.history import genotypes, inside, known
from search.problem import Problem
from search.result import reference_point
from search.sampling import fresh
from search.surrogate.acquisition import planar, sampled
from search.surrogate.design import initial
from search.surrogate.features import Ground, ground
from search.surrogate.model import Model

Array = NDArray[np.float64]

BATCH = 4
GENERATIONS = False
INITIAL = 12
CURIOUS = 20
"""Evaluations up to which a prediction's whole standard deviation counts in the expected gain. After n of
them it is `CURIOUS / n` of it: with the budget the worth of what is merely unknown runs out.
"""
ALGEBRA = ThreadpoolController()
"""Of numpy and scipy: their matrices are small here, and more threads only take the workers' cores."""


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    design: int = INITIAL,
) -> list[Genotype]:
    """Return up to `n` genotypes: of the initial design of `design`, then of the largest expected gain."""
    with ALGEBRA.limit(limits=1):
        return _asked(history, n, rng, problem, design)


def _asked(
    history: Sequence[Evaluation], n: int, rng: np.random.Generator, problem: Problem, design: int
) -> list[Genotype]:
    base = ground(problem)
    rows = inside(history, problem)
    if len(history) < design or len(rows) < 2:
        first = _design(base, history, design)[:n]
        if first or len(rows) < 2:
            return first or fresh(problem, rng, n, avoid=known(history))
    model = Model.of(base, rows)
    waiting = [entry for entry in history if entry.state == "pending" and entry.genotype is not None]
    pool = model.pool(history, rows, rng)
    corner = reference_point(problem, history)
    return _Choice(model, pool, rows, waiting, corner).picked(n, rng) if pool else []


def _design(base: Ground, history: Sequence[Evaluation], size: int) -> list[Genotype]:
    """Return what is left of the initial design; it depends on the problem and the baselines alone."""
    baselines = genotypes([entry for entry in history if entry.is_baseline])
    taken = {entry.key for entry in history if entry.is_baseline}
    full = initial(base, taken, base.encode(baselines), size - len(baselines))
    done = known(history)
    return [genotype for genotype in full if base.problem.candidate(genotype).key not in done]


class _Choice:
    """A batch in the making: what is believed of the front, of what is waited for, and of the pool."""

    def __init__(
        self,
        model: Model,
        pool: Sequence[Genotype],
        rows: Sequence[Evaluation],
        waiting: Sequence[Evaluation],
        reference: Sequence[float],
    ) -> None:
        problem = model.ground.problem
        self.model, self.pool = model, pool
        self.corner = np.array([o.to_cost(v) for o, v in zip(problem.objectives, reference, strict=True)])
        seen_by = [*rows, *waiting]
        costs = np.array([problem.costs(row) for row in seen_by])
        self.archive, _ = model.beliefs(genotypes(seen_by), costs)
        both = [*genotypes(waiting), *pool]
        exact = np.array([problem.costs(problem.candidate(genotype)) for genotype in both])
        seen, table = model.see(both, exact)
        self.held, self.table = len(waiting), table[len(waiting) :]
        joint = [process.predict(seen) for process in model.processes]
        self.covariances = [covariance for _, covariance in joint]
        self.curiosity = min(1.0, CURIOUS / len(seen_by))
        self.table[:, model.dear] = np.column_stack([mean[self.held :] for mean, _ in joint])
        for place in range(self.held):
            self._observe(place)

    def picked(self, n: int, rng: np.random.Generator) -> list[Genotype]:
        """Return the `n` of the pool that together promise the most, picked one by one."""
        chosen: list[int] = []
        for _ in range(min(n, len(self.pool))):
            gain = self._gain(rng)
            gain[chosen] = -1.0
            best = int(np.argmax(gain))
            chosen.append(best)
            self._observe(self.held + best)
            self.archive = np.vstack([self.archive, self.table[best]])
        return [self.pool[index] for index in chosen]

    def _observe(self, place: int) -> None:
        """Shrink the covariances as if the value at `place` had been observed at its mean."""
        for covariance, process in zip(self.covariances, self.model.processes, strict=True):
            column = covariance[:, place].copy()
            covariance -= np.outer(column, column) / (column[place] + process.noise)

    def _gain(self, rng: np.random.Generator) -> Array:
        """Return the expected gain of hypervolume of each candidate (Q,)."""
        dear = self.model.dear
        deviations = np.zeros_like(self.table)
        variances = [np.diag(covariance)[self.held :] for covariance in self.covariances]
        deviations[:, dear] = self.curiosity * np.sqrt(np.maximum(np.column_stack(variances), 1e-12))
        if self.table.shape[1] == 2 and len(dear) == 1:
            order = [1 - dear[0], dear[0]]
            exact, mean = self.table[:, order].T
            return planar(self.archive[:, order], self.corner[order], exact, mean, deviations[:, dear[0]])
        return sampled(self.archive, self.corner, self.table, deviations, rng)
