"""The default: few evaluations, chosen by a Gaussian process and expected hypervolume improvement.

A small stratified design first. Then, for each batch: a process for each dear objective over the masked
encoding and the cheap objectives; an inner NSGA-II on the predictions, started from the front; and greedy
choice of the candidates that promise the most hypervolume, with the cheap objectives exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, genotypes, inside, known
from search.pareto import front, ranks
from search.problem import Problem
from search.result import reference_point
from search.sampling import fresh
from search.surrogate.acquisition import planar, sampled
from search.surrogate.design import initial
from search.surrogate.features import Ground, ground
from search.surrogate.gaussian import Posterior, fit
from search.surrogate.inner import evolve

Array = NDArray[np.float64]

BATCH = 4
GENERATIONS = False
INITIAL = 12
POOL = 150
"""Candidates whose exact cheap scores are looked up for one batch."""
OPTIMISM = 1.0
"""Standard deviations by which the inner search prefers what is uncertain."""


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    design: int = INITIAL,
) -> list[Genotype]:
    """Return up to `n` genotypes: of the initial design of `design` points, then of the largest expected
    gain.
    """
    base = ground(problem)
    rows = inside(history, problem)
    if len(history) < design or len(rows) < 2:
        first = _design(base, history, design)[:n]
        if first or len(rows) < 2:
            return first or fresh(problem, rng, n, avoid=known(history))
    model = _Model.of(base, rows)
    waiting = [entry for entry in history if entry.state == "pending" and entry.genotype is not None]
    pool = _pool(model, history, rows, rng)
    return _choose(model, pool, rows, waiting, reference_point(problem, history), n, rng)


def _design(base: Ground, history: Sequence[Evaluation], size: int) -> list[Genotype]:
    """Return what is left of the initial design; it depends on the problem and the baselines alone."""
    baselines = genotypes([entry for entry in history if entry.is_baseline])
    taken = {entry.key for entry in history if entry.is_baseline}
    full = initial(base, taken, base.encode(baselines), size - len(baselines))
    done = known(history)
    return [genotype for genotype in full if base.problem.candidate(genotype).key not in done]


@dataclass(frozen=True)
class _Model:
    """Processes fitted to what was scored, one a dear objective."""

    ground: Ground
    processes: tuple[Posterior, ...]

    @staticmethod
    def of(base: Ground, rows: Sequence[Evaluation]) -> "_Model":
        costs = cost_table(rows, base.problem)
        seen = base.features(base.encode(genotypes(rows)), base.logs(costs))
        dear = costs[:, ~base.exact].T
        return _Model(base, tuple(fit(seen, column, base.columns) for column in dear))

    def see(self, chosen: Sequence[Genotype], costs: Array | None = None) -> tuple[Array, Array]:
        """Return features (N, F) and objectives (N, M), the dear ones not filled in; cheap ones guessed
        unless given.
        """
        encodings = self.ground.encode(chosen)
        logs = self.ground.guess(encodings) if costs is None else self.ground.logs(costs)
        table = np.zeros((len(chosen), len(self.ground.exact)))
        table[:, self.ground.exact] = (
            self.ground.costs(logs) if costs is None else costs[:, self.ground.exact]
        )
        return self.ground.features(encodings, logs), table

    def hope(self, chosen: Sequence[Genotype]) -> Array:
        """Return guessed cheap objectives and optimistic dear ones (N, M)."""
        seen, table = self.see(chosen)
        for column, process in zip(np.flatnonzero(~self.ground.exact), self.processes, strict=True):
            mean, sd = process.marginal(seen)
            table[:, column] = mean - OPTIMISM * sd
        return table


def _pool(
    model: _Model, history: Sequence[Evaluation], rows: Sequence[Evaluation], rng: np.random.Generator
) -> list[Genotype]:
    """Return feasible unknown genotypes near the front of the predictions."""
    problem, base = model.ground.problem, model.ground
    best = [rows[index] for index in front(cost_table(rows, problem))]
    mutants = base.encoder.mutants(genotypes(best), POOL, rng)
    drawn = [base.drawn[index].genotype for index in rng.permutation(len(base.drawn))[:POOL]]
    last, hopes = evolve(problem.space, base.encoder, model.hope, [*genotypes(best), *mutants, *drawn], rng)
    extra = [
        entry for entry in base.encoder.mutants(genotypes(best), 4 * POOL, rng) if entry not in set(last)
    ]
    everything = [*last, *extra]
    scores = np.vstack([hopes, model.hope(extra)])
    order = np.argsort(ranks(scores), kind="stable")
    taken = known(history)
    found: list[Genotype] = []
    for index in order[: 2 * POOL]:
        candidate = problem.candidate(everything[index])
        if candidate.key not in taken and problem.feasible(candidate):
            taken.add(candidate.key)
            found.append(candidate.genotype)
        if len(found) == POOL:
            break
    return found


def _choose(
    model: _Model,
    pool: Sequence[Genotype],
    rows: Sequence[Evaluation],
    waiting: Sequence[Evaluation],
    reference: Sequence[float],
    n: int,
    rng: np.random.Generator,
) -> list[Genotype]:
    """Return the `n` of `pool` that together promise the most hypervolume, picked one by one."""
    problem, base = model.ground.problem, model.ground
    if not pool:
        return []
    corner = np.array([o.to_cost(v) for o, v in zip(problem.objectives, reference, strict=True)])
    costs = np.array([problem.costs(problem.candidate(genotype)) for genotype in pool])
    seen, table = model.see(pool, costs)
    archive = _believed(model, [*rows, *waiting])
    dear = np.flatnonzero(~base.exact)
    waits = genotypes(waiting)
    held = len(waits)
    if held:
        wait_seen, _ = model.see(waits, np.array([problem.costs(problem.candidate(g)) for g in waits]))
        seen = np.vstack([wait_seen, seen])
    beliefs = [process.predict(seen) for process in model.processes]
    means = [mean for mean, _ in beliefs]
    covariances = [covariance.copy() for _, covariance in beliefs]
    noises = [process.scale**2 * float(np.exp(process.theta[2])) for process in model.processes]
    for place in range(held):
        _observe(covariances, noises, place)
    picked: list[int] = []
    for _ in range(min(n, len(pool))):
        sds = [np.sqrt(np.maximum(np.diag(c)[held:], 1e-12)) for c in covariances]
        gain = _gain(base, archive, corner, table, [m[held:] for m in means], sds, rng)
        gain[picked] = -1.0
        best = int(np.argmax(gain))
        picked.append(best)
        _observe(covariances, noises, held + best)
        row = table[best].copy()
        row[dear] = [mean[held + best] for mean in means]
        archive = np.vstack([archive, row])
    return [pool[index] for index in picked]


def _believed(model: _Model, rows: Sequence[Evaluation]) -> Array:
    """Return the objectives (N, M) of evaluations, the dear ones as the processes believe them."""
    problem, base = model.ground.problem, model.ground
    costs = np.array([problem.costs(row) for row in rows])
    seen, table = model.see(genotypes(rows), costs)
    for column, process in zip(np.flatnonzero(~base.exact), model.processes, strict=True):
        table[:, column] = process.marginal(seen)[0]
    return table


def _observe(covariances: list[Array], noises: Sequence[float], place: int) -> None:
    """Shrink the covariances as if the value at `place` had been observed."""
    for covariance, noise in zip(covariances, noises, strict=True):
        column = covariance[:, place].copy()
        covariance -= np.outer(column, column) / (column[place] + noise)


def _gain(
    base: Ground,
    archive: Array,
    corner: Array,
    table: Array,
    means: Sequence[Array],
    sds: Sequence[Array],
    rng: np.random.Generator,
) -> Array:
    """Return the expected gain of hypervolume (Q,)."""
    dear = np.flatnonzero(~base.exact)
    if len(base.exact) == 2 and len(dear) == 1:
        other, column = 1 - dear[0], dear[0]
        order = [other, column]
        return planar(archive[:, order], corner[order], table[:, other], means[0], sds[0])
    full, spread = table.copy(), np.zeros_like(table)
    for column, mean, sd in zip(dear, means, sds, strict=True):
        full[:, column], spread[:, column] = mean, sd
    return sampled(archive, corner, full, spread, rng)
