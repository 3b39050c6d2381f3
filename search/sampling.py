"""Bounded draws of genotypes that meet the cheap constraints. Nothing here loops without a limit."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from search.errors import Infeasible
from search.evaluation import Genotype
from search.problem import Candidate, Problem

DRAWS_PER_GENOTYPE = 40
"""How many draws one wanted genotype may cost."""
CLIMBS = 24
"""Rounds of the climb towards the bounds before a problem is called infeasible."""
BREADTH = 24
"""Genotypes looked at in each round of that climb."""


def levelled(problem: Problem, rng: np.random.Generator) -> Genotype:
    """Return a genotype whose ordinal genes lean to one level, drawn anew each time.

    With p ~ U(0, 1), an ordinal gene of k choices is floor(k * Beta(1 + 4p, 5 - 4p)): small, middling and
    large architectures come equally often, where independent draws would all be middling.
    """
    level = rng.random()
    draws = rng.beta(1 + 4 * level, 5 - 4 * level, size=len(problem.space.genes))
    uniform = rng.random(len(problem.space.genes))
    return problem.space.canonical(
        tuple(
            int(len(gene.choices) * (draw if gene.ordinal else flat))
            for gene, draw, flat in zip(problem.space.genes, draws, uniform, strict=True)
        )
    )


def draws(problem: Problem, rng: np.random.Generator, parents: Sequence[Genotype] = ()) -> Iterator[Genotype]:
    """Yield genotypes without end: uniform, levelled, and mutants of `parents` where given, in turn."""
    space = problem.space
    while True:
        yield space.sample(rng)
        yield levelled(problem, rng)
        if parents:
            yield space.mutate(parents[int(rng.integers(len(parents)))], rng)


def fresh(
    problem: Problem,
    rng: np.random.Generator,
    n: int,
    *,
    avoid: Collection[str] = (),
    parents: Sequence[Genotype] = (),
) -> list[Genotype]:
    """Return up to `n` feasible genotypes of distinct keys, none of `avoid`; fewer after too many draws."""
    found: dict[str, Genotype] = {}
    for genotype in islice(draws(problem, rng, parents), n * DRAWS_PER_GENOTYPE):
        if len(found) == n:
            break
        drawn = problem.candidate(genotype)
        if drawn.key not in avoid and drawn.key not in found and problem.feasible(drawn):
            found[drawn.key] = drawn.genotype
    return list(found.values())


def nearest_feasible(problem: Problem, rng: np.random.Generator) -> Candidate:
    """Return a candidate that meets every cheap constraint, climbing towards the bounds from several starts.

    Raises:
        Infeasible: none was found; carries the nearest and the bound that it breaks the most.
    """
    tried = list(problem.space.corners()) + list(islice(draws(problem, rng), BREADTH))
    pool = [problem.candidate(genotype) for genotype in tried]
    looked = len(pool)
    for _ in range(CLIMBS):
        pool = sorted(pool, key=lambda entry: sum(problem.violations(entry)))[: BREADTH // 4]
        if problem.feasible(pool[0]):
            return pool[0]
        children = [problem.space.mutate(parent.genotype, rng) for parent in pool for _ in range(4)]
        children += [problem.space.crossover(pool[0].genotype, other.genotype, rng) for other in pool[1:]]
        pool += [problem.candidate(genotype) for genotype in children]
        looked += len(children)
    raise infeasible(problem, pool, looked)


def infeasible(problem: Problem, pool: Sequence[Candidate], tried: int) -> Infeasible:
    """Return the error that names the nearest of `pool` and the bound that it breaks the most."""
    best = min(pool, key=lambda entry: sum(problem.violations(entry)))
    worst = int(np.argmax(problem.violations(best)))
    constraint = problem.constraints[worst]
    return Infeasible(best.genotype, str(constraint), best.value(constraint.metric), tried)


def choices(problem: Problem) -> NDArray[np.intp]:
    """Return the number of choices of each gene (G,)."""
    return np.array([len(gene.choices) for gene in problem.space.genes], dtype=np.intp)
