"""Uniform draws from the space: the yardstick that every other strategy must beat."""

from collections.abc import Sequence

import numpy as np

from search.evaluation import Evaluation, Genotype
from search.history import known
from search.problem import Problem

BATCH = 16
GENERATIONS = False
DRAWS = 200


def ask(history: Sequence[Evaluation], n: int, rng: np.random.Generator, problem: Problem) -> list[Genotype]:
    """Return up to `n` uniform draws that are feasible and not in `history`."""
    taken = known(history)
    found: list[Genotype] = []
    for _ in range(n * DRAWS):
        drawn = problem.candidate(problem.space.sample(rng))
        if drawn.key not in taken and problem.feasible(drawn):
            taken.add(drawn.key)
            found.append(drawn.genotype)
        if len(found) == n:
            break
    return found
