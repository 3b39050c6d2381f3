"""The multi-objective tree-structured Parzen estimator (Ozaki et al., 2020) by Optuna, told from the
history.
"""

from collections.abc import Sequence

import numpy as np
from optuna.samplers import TPESampler

from search.evaluation import Evaluation, Genotype
from search.history import genotypes, inside, known
from search.optuna_study import asked, distributions, told_study
from search.problem import Problem
from search.sampling import fresh

BATCH = 4
GENERATIONS = False
STARTUP = 10
ATTEMPTS = 4


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    startup: int = STARTUP,
) -> list[Genotype]:
    """Return up to `n` genotypes: feasible draws until `startup` are scored, then the estimator's."""
    taken = known(history)
    rows = inside(history, problem)
    if len(rows) < startup:
        return fresh(problem, rng, n, avoid=taken)
    sampler = TPESampler(n_startup_trials=0, seed=int(rng.integers(2**31)))
    space = distributions(problem)
    study = told_study(rows, problem, sampler, space)
    found: list[Genotype] = []
    for _ in range(n * ATTEMPTS):
        if len(found) == n:
            break
        drawn = problem.candidate(asked(study, problem, space))
        if drawn.key not in taken and problem.feasible(drawn):
            taken.add(drawn.key)
            found.append(drawn.genotype)
    parents = genotypes(rows[-startup:])
    return found + fresh(problem, rng, n - len(found), avoid=taken, parents=parents)
