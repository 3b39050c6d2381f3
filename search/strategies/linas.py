"""LINAS of DyNAS-T (Cummings et al., 2022), kept as published: the baseline among hardware-aware searches.

Random evaluations first. Then, again and again: one predictor an objective, the better of a ridge and a
support vector regression by cross-validation, refitted on every row of one-hot choices, cheap objectives
included; NSGA-II over the predictions from a fresh start; its whole last population is evaluated. What it
leaves out is left out here: exact cheap objectives, masking of inactive genes, a warm start. The layer
around it still refuses repeats.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as Predicted
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import FloatRandomSampling
from pymoo.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVR

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, genotypes, inside, known
from search.problem import Problem
from search.sampling import choices, fresh

Array = NDArray[np.float64]

BATCH = 50
GENERATIONS = True
INNER = 5_000
"""Predictions of one inner search; published: 5,000 to 20,000, by space."""
ALPHAS = np.linspace(0.1, 10.0, 12)
COSTS = np.linspace(1.0, 100.0, 12)
"""The published ranges, a twelfth as dense."""


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    population: int = BATCH,
    inner: int = INNER,
) -> list[Genotype]:
    """Return up to `n` genotypes: uniform draws until `population` are scored, then the inner search's
    answers.
    """
    taken = known(history)
    rows = inside(history, problem)
    found: list[Genotype] = []
    answers = _predicted_best(rows, problem, rng, population, inner) if len(rows) >= population else []
    for genotype in answers:
        candidate = problem.candidate(genotype)
        if len(found) < n and candidate.key not in taken and problem.feasible(candidate):
            taken.add(candidate.key)
            found.append(candidate.genotype)
    return found + fresh(problem, rng, n - len(found), avoid=taken)


def _predicted_best(
    rows: Sequence[Evaluation], problem: Problem, rng: np.random.Generator, population: int, inner: int
) -> list[Genotype]:
    """Return the last population of NSGA-II over predictors fitted to `rows`."""
    table, costs = np.array(genotypes(rows)), cost_table(rows, problem)
    seed = int(rng.integers(2**31))
    ended = last_population(table, costs, choices(problem), population=population, inner=inner, seed=seed)
    return [tuple(int(choice) for choice in row) for row in ended]


def last_population(
    table: NDArray[np.intp],
    costs: Array,
    sizes: NDArray[np.intp],
    *,
    population: int = BATCH,
    inner: int = INNER,
    seed: int,
) -> NDArray[np.intp]:
    """Return raw choices (P, G), the last population of NSGA-II over predictors fitted to all rows.

    Args:
        table: raw choices of what is scored, (N, G).
        costs: its objectives (N, M), smaller is better.
        sizes: the number of choices of each gene (G,).
        population: P.
        inner: predictions that the inner search makes.
        seed: of the inner search.
    """
    seen = one_hot(table, sizes)
    predictors = [_Predictor(seen, column) for column in costs.T]
    generations = ("n_gen", inner // population)
    ended = minimize(_Inner(predictors, sizes), published_nsga2(population), generations, seed=seed)
    return np.asarray(ended.pop.get("X"), dtype=np.intp)


def published_nsga2(population: int) -> NSGA2:
    """Return NSGA-II as DyNAS-T sets it up, for its inner search and for its search without predictors.

    2 in 100 children are mutated: in the release of pymoo that its logs were made with, 0.6.0, as in later
    ones, the probability given is that of a child, not of a gene.
    """
    return NSGA2(
        pop_size=population,
        sampling=_Rounded(),
        crossover=SBX(prob=0.9, eta=15.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=0.02, eta=20.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )


class _Rounded(FloatRandomSampling):  # type: ignore[misc]
    """Choices by rounding, as pymoo 0.6.0 draws them: a gene's first and last come half as often.

    Of 250 choices of three in the first population of DyNAS-T's logged NSGA-II 121 are the middle one.
    """

    def _do(self, problem: Predicted, n_samples: int, *args: object, **kwargs: object) -> NDArray[np.intp]:
        drawn: Array = super()._do(problem, n_samples, *args, **kwargs)
        return np.rint(drawn).astype(np.intp)


def one_hot(table: NDArray[np.intp], sizes: NDArray[np.intp]) -> Array:
    """Return raw choices (N, G) as one-hot columns (N, E), inactive genes included."""
    return np.hstack([np.eye(size)[table[:, gene]] for gene, size in enumerate(sizes)])


class _Inner(Predicted):  # type: ignore[misc]
    """The predictors as a problem of pymoo's."""

    def __init__(self, predictors: Sequence["_Predictor"], sizes: NDArray[np.intp]) -> None:
        super().__init__(n_var=len(sizes), n_obj=len(predictors), xl=0, xu=sizes - 1, vtype=int)
        self._predictors, self._sizes = predictors, sizes

    def _evaluate(self, x: Array, out: dict[str, Array], *_: object, **__: object) -> None:
        seen = one_hot(np.rint(x).astype(np.intp), self._sizes)
        out["F"] = np.column_stack([predictor.predict(seen) for predictor in self._predictors])


class _Predictor:
    """Ridge or support vector regression, whichever has the smaller relative error in cross-validation."""

    def __init__(self, seen: Array, costs: Array) -> None:
        self._columns = np.flatnonzero(np.var(seen, axis=0))
        largest = float(np.max(np.abs(costs)))
        self._unit = 10 ** (np.floor(np.log10(largest)) - 1.0) if largest > 0 else 1.0
        grids = [
            GridSearchCV(estimator, grid, scoring="neg_mean_absolute_percentage_error")
            for estimator, grid in (
                (Ridge(), {"alpha": ALPHAS}),
                (SVR(kernel="rbf", gamma="auto", epsilon=0.0), {"C": COSTS}),
            )
        ]
        for grid in grids:
            grid.fit(seen[:, self._columns], costs / self._unit)
        self._best = max(grids, key=lambda grid: float(grid.best_score_)).best_estimator_

    def predict(self, seen: Array) -> Array:
        predicted: Array = self._best.predict(seen[:, self._columns]) * self._unit
        return predicted
