"""NetAdapt (Yang et al., 2018), as MobileNetV3 uses it: shrink a good neck step by step to the budget.

Each step proposes the current neck's one-gene reductions that save at least a given part of its cost, and
goes on from the one that loses the least accuracy for what it saves.
"""

from collections.abc import Sequence

import numpy as np

from search.evaluation import Evaluation, Genotype
from search.history import genotypes, inside, known
from search.problem import Candidate, Problem
from search.sampling import fresh

BATCH = 12
GENERATIONS = True
SAVED = 0.02
"""The least part of the cost that a step must save."""
STARTS = 32
"""Draws among which the walk begins where the largest neck breaks a bound."""


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    saved: float = SAVED,
) -> list[Genotype]:
    """Return up to `n` reductions of the neck that the history leads to; the largest neck first.

    A walk that can shrink no further begins again at the most accurate neck with reductions left,
    and in the end at draws.
    """
    taken = known(history)
    rows = inside(history, problem)
    accuracy, cost = _roles(problem)
    path = _path(rows, problem, accuracy, cost) or _start(problem, cost, rng)
    found = [entry.genotype for entry in path if not rows and entry.key not in taken][:n]
    taken.update(problem.candidate(genotype).key for genotype in found)
    for neck in path:
        for candidate in _reductions(problem, neck, cost, saved, rng):
            if len(found) < n and candidate.key not in taken:
                taken.add(candidate.key)
                found.append(candidate.genotype)
        if len(found) == n:
            break
    return found + fresh(problem, rng, n - len(found), avoid=taken)


def _start(problem: Problem, cost: int, rng: np.random.Generator) -> list[Candidate]:
    """Return the largest neck, or the dearest of some feasible draws where that one breaks a bound."""
    largest = problem.candidate(problem.space.corners()[-1])
    if problem.feasible(largest):
        return [largest]
    drawn = [problem.candidate(genotype) for genotype in fresh(problem, rng, STARTS)]
    return sorted(drawn, key=lambda entry: -float(problem.costs(entry)[cost]))[:1]


def _roles(problem: Problem) -> tuple[int, int]:
    """Return the positions of what is to be kept and of what is to shrink: a dear and a cheap objective
    if any.
    """
    exact = problem.cheap_objectives()
    cost = exact.index(True) if True in exact else len(exact) - 1
    accuracy = exact.index(False) if False in exact else 0
    return accuracy, cost


def _path(rows: Sequence[Evaluation], problem: Problem, accuracy: int, cost: int) -> list[Candidate]:
    """Return the necks to reduce, the end of the walk first: the best of the newest step, then by
    accuracy.
    """
    if not rows:
        return []
    newest = max(row.generation for row in rows)
    start = min(rows, key=lambda row: problem.costs(row)[accuracy])
    top = problem.costs(start)

    def loss_per_saving(row: Evaluation) -> float:
        costs = problem.costs(row)
        saving = max(top[cost] - costs[cost], 1e-12)
        return float((costs[accuracy] - top[accuracy]) / saving)

    step = [row for row in rows if row.generation == newest and row is not start]
    ahead = [min(step, key=loss_per_saving)] if step else []
    ordered = ahead + sorted(rows, key=lambda row: float(problem.costs(row)[accuracy]))
    return [problem.candidate(genotype) for genotype in dict.fromkeys(genotypes(ordered))]


def _reductions(
    problem: Problem, neck: Candidate, cost: int, saved: float, rng: np.random.Generator
) -> list[Candidate]:
    """Return feasible necks that differ in one choice and cost at least `saved` less, in random order."""
    genotype, limit = neck.genotype, problem.costs(neck)[cost] * (1 - saved)
    changed = [
        problem.space.canonical((*genotype[:place], choice, *genotype[place + 1 :]))
        for place, gene in enumerate(problem.space.genes)
        for choice in range(len(gene.choices))
        if choice != genotype[place]
    ]
    distinct = list(dict.fromkeys(changed))
    found = [problem.candidate(distinct[index]) for index in rng.permutation(len(distinct))]
    return [entry for entry in found if problem.feasible(entry) and not problem.costs(entry)[cost] > limit]
