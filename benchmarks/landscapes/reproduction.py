"""LINAS against NSGA-II as DyNAS-T published them, many seeds: is the published speed-up found again?

The published logs are one run of each; recomputed, LINAS needs 1.6 to 2.1 times fewer evaluations than
NSGA-II's 540 for the same hypervolume. One run against one run is therefore what is compared here: every run
of LINAS with every run of NSGA-II gives one speed-up, and the published range should lie among them.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from os import sched_getaffinity

import numpy as np
from numpy.typing import NDArray

from benchmarks.landscapes.parts import Parts
from benchmarks.landscapes.published import evolved, iterated
from benchmarks.landscapes.races import course
from search.pareto import trace

SEEDS = tuple(range(500, 512))
"""A run of LINAS takes two minutes."""
EVALUATIONS = 550
"""Of each run, as published."""
MARK = 540
"""Evaluations of NSGA-II that set the mark."""
PUBLISHED = (1.6, 2.1)
TACTICS = {"linas": iterated, "nsga2": evolved}
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Run:
    """One run of a tactic: the hypervolume after each evaluation, and the part of repeats among them."""

    tactic: str
    seed: int
    volumes: tuple[float, ...]
    repeats: float


def ran(tactic: str, seed: int, evaluations: int = EVALUATIONS) -> Run:
    """Run one of the two on the synthetic space, judged by the wide reference point."""
    ground = course("synthetic")
    problem = ground.problem(seed, ground.wide)
    costs = TACTICS[tactic](problem, ground.factory(), evaluations, seed)
    volumes = trace(costs, (-ground.wide[0], ground.wide[1]))
    repeats = 1 - len(np.unique(costs, axis=0)) / len(costs)
    return Run(tactic, seed, tuple(volumes), repeats)


def all_runs(parts: Parts, seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Return a run of each tactic and seed, on all free cores; parts are kept."""
    asked = list(product(TACTICS, seeds))
    missing = [run for run in asked if not parts.has(_name(*run), model=False)]
    with ProcessPoolExecutor(len(sched_getaffinity(0))) as pool:
        for (tactic, seed), run in zip(missing, pool.map(ran, *zip(*missing, strict=True)), strict=True):
            parts.keep(_name(tactic, seed), [run.volumes, run.repeats], model=False)
    kept = [(*run, *parts.get(_name(*run), model=False)) for run in asked]
    return [Run(tactic, seed, tuple(volumes), repeats) for tactic, seed, volumes, repeats in kept]


def speedups(runs: Sequence[Run], mark: int = MARK) -> NDArray[np.float64]:
    """Return how many times fewer evaluations each run of LINAS (rows) needs than `mark` of each run of
    NSGA-II (columns) for the hypervolume that the latter then has; 0 where it never gets there.
    """
    linas = np.array([run.volumes for run in runs if run.tactic == "linas"])
    marks = np.array([run.volumes[mark - 1] for run in runs if run.tactic == "nsga2"])
    reached = linas[:, None] >= marks[None, :, None]
    return np.where(reached.any(axis=2), mark / (reached.argmax(axis=2) + 1), 0.0)


def median_interval(table: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median, drawing runs of both tactics again."""
    rng = np.random.default_rng(seed)
    rows, columns = table.shape
    medians = [
        np.median(table[np.ix_(rng.integers(rows, size=rows), rng.integers(columns, size=columns))])
        for _ in range(BOOTSTRAPS)
    ]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def _name(tactic: str, seed: int) -> str:
    return f"published_{tactic}_{seed}"
