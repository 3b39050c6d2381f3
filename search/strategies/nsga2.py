"""NSGA-II (Deb et al., 2002) by Optuna, in memory, told anew from the history at every question."""

from collections.abc import Sequence

import numpy as np
from optuna.samplers import NSGAIISampler

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, genotypes, inside, known
from search.optuna_study import asked, distributions, told_study
from search.problem import Problem
from search.sampling import fresh
from search.surrogate.inner import standing

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

    A generation is `population` scored evaluations in the order of the history, baselines included. Optuna
    crosses and mutates the survivors, which it is told as its first generation.
    """
    taken = known(history)
    rows = inside(history, problem)
    if len(rows) < population:
        return fresh(problem, rng, n, avoid=taken)
    parents = survivors(rows, problem, population)
    sampler = NSGAIISampler(population_size=population, seed=int(rng.integers(2**31)))
    space = distributions(problem, numbers=True)
    study = told_study(parents, problem, sampler, space, generation=0)
    found: list[Genotype] = []
    for _ in range(n * ATTEMPTS):
        if len(found) == n:
            break
        child = problem.candidate(asked(study, problem, space))
        if child.key not in taken and problem.feasible(child):
            taken.add(child.key)
            found.append(child.genotype)
    return found + fresh(problem, rng, n - len(found), avoid=taken, parents=genotypes(parents))


def survivors(rows: Sequence[Evaluation], problem: Problem, population: int) -> list[Evaluation]:
    """Return the population that elitist selection, generation after generation, has made of `rows`.

    Less violation of the constraints wins, then the better front, then the less crowded.
    """
    costs = cost_table(rows, problem)
    broken = np.array([sum(problem.violations(row)) for row in rows])
    kept = np.empty(0, dtype=np.intp)
    for start in range(0, len(rows), population):
        everyone = np.concatenate([kept, np.arange(start, min(start + population, len(rows)))])
        standings = standing(costs[everyone])
        order = sorted(range(len(everyone)), key=lambda place: (broken[everyone[place]], standings[place]))
        kept = everyone[order[:population]]
    return [rows[int(index)] for index in kept]
