"""How far the accuracy model can be trusted: its rank correlation on evaluations that it has not seen."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import kendalltau

from search.evaluation import Evaluation
from search.history import cost_table, genotypes, inside
from search.problem import Problem
from search.surrogate.encoding import Encoder
from search.surrogate.gaussian import fit

FOLDS = 4
FEWEST = 12
"""Evaluations below which nothing is said."""
MOST = 200
"""Evaluations that are looked at, evenly spread over the search."""


def held_out(problem: Problem, history: Sequence[Evaluation]) -> float | None:
    """Return Kendall's tau between the first dear objective and its prediction from the other folds.

    The model is the process of the default strategy over the masked encoding, whatever strategy searched.
    None where too little was evaluated, every objective is cheap, or the values are all the same.
    """
    exact = problem.cheap_objectives()
    rows = inside(history, problem)
    if all(exact) or len(rows) < FEWEST:
        return None
    rows = [rows[index] for index in np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)]
    encoder = Encoder(problem.space)
    seen = encoder.encode(genotypes(rows))
    truth = cost_table(rows, problem)[:, exact.index(False)]
    columns = encoder.columns.tolist()
    folds = np.arange(len(rows)) % FOLDS
    guessed = np.empty(len(rows))
    for fold in range(FOLDS):
        model = fit(seen[folds != fold], truth[folds != fold], columns)
        guessed[folds == fold] = model.marginal(seen[folds == fold])[0]
    tau = float(kendalltau(truth, guessed).statistic)
    return None if np.isnan(tau) else tau
