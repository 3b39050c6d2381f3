"""DyNAS-T's search without predictors: NSGA-II of 50 straight on the evaluations, what LINAS was held to."""

import numpy as np
from numpy.typing import NDArray
from pymoo.core.problem import Problem as Asked
from pymoo.optimize import minimize

from search.execution import Evaluator
from search.problem import Problem
from search.sampling import choices
from search.strategies.linas import BATCH, published_nsga2

Array = NDArray[np.float64]


def evolved(problem: Problem, evaluate: Evaluator, evaluations: int, seed: int) -> Array:
    """Return the objectives (N, M) of each evaluation in order, smaller is better.

    As published, choices that mean nothing are drawn too, and an architecture met again counts again.
    """
    asked = _Measured(problem, evaluate)
    minimize(asked, published_nsga2(BATCH), ("n_gen", evaluations // BATCH), seed=seed)
    return np.vstack(asked.costs)[:evaluations]


class _Measured(Asked):  # type: ignore[misc]
    """The search's own evaluations as a problem of pymoo's; remembers all of them."""

    def __init__(self, problem: Problem, evaluate: Evaluator) -> None:
        sizes = choices(problem)
        super().__init__(n_var=len(sizes), n_obj=len(problem.objectives), xl=0, xu=sizes - 1, vtype=int)
        self.costs: list[Array] = []
        self._problem, self._evaluate_one = problem, evaluate

    def _evaluate(self, x: Array, out: dict[str, Array], *_: object, **__: object) -> None:
        out["F"] = np.array([self._costs(row) for row in np.rint(x).astype(int).tolist()])
        self.costs.append(out["F"])

    def _costs(self, row: list[int]) -> list[float]:
        problem = self._problem
        candidate = problem.candidate(row)
        dear = self._evaluate_one(problem.space.architecture(candidate.genotype))
        values = {score.metric: score.value for score in (*dear, *candidate.scores)}
        return [entry.to_cost(values[entry.metric]) for entry in problem.objectives]
