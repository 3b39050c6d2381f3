"""From what a strategy answers to what is worth evaluating: new, feasible, and never without end."""

from collections.abc import Iterable, Sequence

import numpy as np

from search.evaluation import Evaluation, Genotype
from search.history import genotypes, known
from search.problem import Problem
from search.sampling import fresh
from search.strategy import Strategy

ATTEMPTS = 4
"""How often a strategy is asked again to fill a batch."""


def propose(
    strategy: Strategy,
    problem: Problem,
    history: Sequence[Evaluation],
    generation: int,
    anchors: Sequence[Genotype],
) -> list[Evaluation]:
    """Return a batch of pending evaluations, none of a key that `history` knows; empty where none is left.

    Decided by the history, the problem's seed and `generation` alone. Where the strategy finds too few,
    feasible
    draws and mutants of `anchors` and of the history fill the batch.
    """
    taken = known(history)
    found: list[Evaluation] = []
    for attempt in range(ATTEMPTS):
        if len(found) >= strategy.batch:
            break
        rng = np.random.default_rng([problem.seed, generation, attempt])
        asked = strategy.ask([*history, *found], strategy.batch - len(found), rng, problem)
        found += _pending(problem, asked, taken, generation, len(found))
    else:
        rng = np.random.default_rng([problem.seed, generation, ATTEMPTS])
        parents = [*anchors, *genotypes(history)]
        drawn = fresh(problem, rng, strategy.batch - len(found), avoid=taken, parents=parents)
        found += _pending(problem, drawn, taken, generation, len(found))
    return found[: strategy.batch]


def _pending(
    problem: Problem, asked: Iterable[Genotype], taken: set[str], generation: int, position: int
) -> list[Evaluation]:
    """Return a pending evaluation for each feasible genotype whose key is not `taken`, and take it."""
    found: list[Evaluation] = []
    for genotype in asked:
        candidate = problem.candidate(genotype)
        if candidate.key in taken or not problem.feasible(candidate):
            continue
        taken.add(candidate.key)
        found.append(
            Evaluation(
                key=candidate.key,
                genotype=candidate.genotype,
                architecture=problem.space.architecture(candidate.genotype),
                scores=candidate.scores,
                state="pending",
                generation=generation,
                position=position + len(found),
            )
        )
    return found
