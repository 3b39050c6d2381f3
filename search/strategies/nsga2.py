"""NSGA-II (Deb et al., 2002) by Optuna, in memory, told anew from the history at every question."""

from collections.abc import Sequence

import numpy as np
from optuna.samplers import NSGAIISampler

from search.evaluation import Evaluation, Genotype
from search.history import genotypes, inside, known
from search.optuna_study import asked, told_study
from search.problem import Problem
from search.sampling import fresh

BATCH = 20
GENERATIONS = True
ATTEMPTS = 10


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    population: int = BATCH,
) -> list[Genotype]:
    """Return up to `n` children of the population that `history` leads to; at first, feasible draws.

    A generation is `population` scored evaluations in the order of the history, baselines included.
    """
    taken = known(history)
    rows = inside(history, problem)
    if len(rows) < population:
        return fresh(problem, rng, n, avoid=taken)
    sampler = NSGAIISampler(population_size=population, seed=int(rng.integers(2**31)))
    study = told_study(rows, problem, sampler, population)
    found: list[Genotype] = []
    for _ in range(n * ATTEMPTS):
        if len(found) == n:
            break
        child = problem.candidate(asked(study, problem))
        if child.key not in taken and problem.feasible(child):
            taken.add(child.key)
            found.append(child.genotype)
    parents = genotypes(rows[-population:])
    return found + fresh(problem, rng, n - len(found), avoid=taken, parents=parents)
