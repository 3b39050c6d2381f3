"""Every architecture of a small space, in the order of its genotypes."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from search.errors import InvalidProblem
from search.evaluation import Evaluation, Genotype
from search.history import genotypes, known
from search.problem import Problem, SearchSpace

BATCH = 32
GENERATIONS = False
LARGEST = 50_000
"""Canonical genotypes of the largest space that is searched this way."""


def ask(history: Sequence[Evaluation], n: int, rng: np.random.Generator, problem: Problem) -> list[Genotype]:
    """Return the next up to `n` feasible genotypes that are not in `history`.

    Raises:
        InvalidProblem: the space is too large.
    """
    size = problem.space.size()
    if size > LARGEST:
        raise InvalidProblem(
            f"the space has {size} architectures; exhaustive search takes at most {LARGEST}: "
            f"narrow the space or choose another strategy"
        )
    taken, done = known(history), set(genotypes(history))
    found: list[Genotype] = []
    for genotype in everything(problem.space):
        if len(found) == n:
            break
        if genotype in done:
            continue
        candidate = problem.candidate(genotype)
        if candidate.key not in taken and problem.feasible(candidate):
            taken.add(candidate.key)
            found.append(genotype)
    return found


@lru_cache(maxsize=4)
def everything(space: SearchSpace) -> tuple[Genotype, ...]:
    """Return every canonical genotype of a space, in order."""
    return tuple(_grown(space, ()))


def _grown(space: SearchSpace, prefix: Genotype) -> Iterator[Genotype]:
    """Yield the canonical genotypes that begin with `prefix`."""
    genes = space.genes
    if len(prefix) == len(genes):
        yield prefix
        return
    rest = (0,) * (len(genes) - len(prefix) - 1)
    for choice in range(len(genes[len(prefix)].choices)):
        longer = (*prefix, choice)
        if space.canonical((*longer, *rest))[: len(longer)] == longer:
            yield from _grown(space, longer)
