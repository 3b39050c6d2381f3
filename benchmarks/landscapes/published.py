"""DyNAS-T's two searches as its published logs were made: LINAS, and NSGA-II of 50 straight on evaluations.

The logs, one run of each over 550 evaluations, are of OFA MobileNetV3 (45 genes) by accuracy and MACs. As in
them, choices that mean nothing are drawn and learned from too, and an architecture met again is evaluated,
and counts, again; the strategy `linas` has the same parts, but the layer around every strategy of this
project refuses repeats and draws something new instead.
"""

import numpy as np
from numpy.typing import NDArray
from pymoo.core.problem import Problem as Asked
from pymoo.optimize import minimize

from search.execution import Evaluator
from search.problem import Problem
from search.sampling import choices
from search.strategies.linas import BATCH, last_population, published_nsga2

Array = NDArray[np.float64]
INNER = 20_000
"""Predictions of one inner search on OFA MobileNetV3."""


def evolved(problem: Problem, evaluate: Evaluator, evaluations: int, seed: int) -> Array:
    """Return the objectives (N, M) of each evaluation of NSGA-II in order, smaller is better."""
    asked = _Measured(problem, evaluate)
    minimize(asked, published_nsga2(BATCH), ("n_gen", -(-evaluations // BATCH)), seed=seed)
    return np.vstack(asked.costs)[:evaluations]


def iterated(
    problem: Problem, evaluate: Evaluator, evaluations: int, seed: int, *, inner: int = INNER
) -> Array:
    """Return the objectives (N, M) of each evaluation of LINAS in order, smaller is better.

    Every inner search begins from the same seed.
    """
    asked, sizes = _Measured(problem, evaluate), choices(problem)
    table = np.random.default_rng(seed).integers(0, sizes, (BATCH, len(sizes)))
    costs = asked.measured(table)
    while len(table) < evaluations:
        rows = last_population(table, costs, sizes, inner=inner, seed=seed)
        table, costs = np.vstack([table, rows]), np.vstack([costs, asked.measured(rows)])
    return costs[:evaluations]


class _Measured(Asked):  # type: ignore[misc]
    """The search's own evaluations as a problem of pymoo's; remembers all of them."""

    def __init__(self, problem: Problem, evaluate: Evaluator) -> None:
        sizes = choices(problem)
        super().__init__(n_var=len(sizes), n_obj=len(problem.objectives), xl=0, xu=sizes - 1, vtype=int)
        self.costs: list[Array] = []
        self._problem, self._evaluate_one = problem, evaluate

    def measured(self, table: NDArray[np.intp]) -> Array:
        """Return the objectives (N, M) of raw choices (N, G)."""
        return np.array([self._costs(row) for row in table.tolist()])

    def _evaluate(self, x: Array, out: dict[str, Array], *_: object, **__: object) -> None:
        out["F"] = self.measured(np.rint(x).astype(np.intp))
        self.costs.append(out["F"])

    def _costs(self, row: list[int]) -> list[float]:
        problem = self._problem
        candidate = problem.candidate(row)
        dear = self._evaluate_one(problem.space.architecture(candidate.genotype))
        values = {score.metric: score.value for score in (*dear, *candidate.scores)}
        return [entry.to_cost(values[entry.metric]) for entry in problem.objectives]
