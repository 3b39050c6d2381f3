"""Regularised evolution (Real et al., 2019) for several objectives: the oldest leave, whatever their
worth.
"""

from collections.abc import Sequence

import numpy as np

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, inside, known
from search.problem import Problem
from search.sampling import fresh
from search.surrogate.inner import standing

BATCH = 16
GENERATIONS = True
POPULATION = 64
SAMPLE = 12
"""Members that compete to be a parent."""
MATINGS = 0.3
"""Share of children that have two parents."""
ATTEMPTS = 20


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    population: int = POPULATION,
    sample: int = SAMPLE,
) -> list[Genotype]:
    """Return up to `n` children of the `population` youngest; at first, feasible draws.

    A parent is the best of `sample` drawn members, by front and then by crowding.
    """
    taken = known(history)
    rows = [entry for entry in inside(history, problem) if problem.feasible(entry)][-population:]
    if len(rows) < min(population, 2 * sample):
        return fresh(problem, rng, n, avoid=taken)
    members = [entry.genotype for entry in rows if entry.genotype is not None]
    fitness = standing(cost_table(rows, problem))
    found: list[Genotype] = []
    for _ in range(n * ATTEMPTS):
        if len(found) == n:
            break
        drawn = problem.candidate(_child(problem, members, fitness, sample, rng))
        if drawn.key not in taken and problem.feasible(drawn):
            taken.add(drawn.key)
            found.append(drawn.genotype)
    return found + fresh(problem, rng, n - len(found), avoid=taken, parents=members)


def _child(
    problem: Problem,
    members: Sequence[Genotype],
    fitness: Sequence[tuple[int, float]],
    sample: int,
    rng: np.random.Generator,
) -> Genotype:
    def parent() -> Genotype:
        drawn = rng.choice(len(members), size=min(sample, len(members)), replace=False)
        return members[min(drawn.tolist(), key=lambda index: fitness[index])]

    child = parent()
    if rng.random() < MATINGS:
        child = problem.space.crossover(child, parent(), rng)
    return problem.space.mutate(child, rng)
