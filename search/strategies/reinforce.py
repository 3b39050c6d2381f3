"""A policy-gradient controller (Zoph and Le, 2017; NAS-FPN uses it): the historical baseline.

The policy is one softmax a gene. Its state is what the gradient steps over the history, in order, have
made of uniform logits, so it is computed anew at every question.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Evaluation, Genotype
from search.history import cost_table, inside, known
from search.problem import Problem
from search.sampling import choices, fresh

Array = NDArray[np.float64]

BATCH = 16
GENERATIONS = True
RATE = 0.15
DECAY = 0.9
"""Of the running mean of rewards."""
ATTEMPTS = 20


def ask(
    history: Sequence[Evaluation],
    n: int,
    rng: np.random.Generator,
    problem: Problem,
    *,
    rate: float = RATE,
) -> list[Genotype]:
    """Return up to `n` draws from the policy that the history has taught."""
    taken = known(history)
    rows = inside(history, problem)
    policy = _policy(rows, problem, rate)
    found: list[Genotype] = []
    for _ in range(n * ATTEMPTS):
        if len(found) == n:
            break
        drawn = problem.candidate(tuple(int(rng.choice(len(odds), p=odds)) for odds in map(_softmax, policy)))
        if drawn.key not in taken and problem.feasible(drawn):
            taken.add(drawn.key)
            found.append(drawn.genotype)
    return found + fresh(problem, rng, n - len(found), avoid=taken)


def _policy(rows: Sequence[Evaluation], problem: Problem, rate: float) -> list[Array]:
    """Return the logits of each gene after one gradient step a row."""
    logits = [np.zeros(size) for size in choices(problem)]
    rewards = _rewards(rows, problem)
    baseline = float(rewards[0]) if len(rewards) else 0.0
    for row, reward in zip(rows, rewards, strict=True):
        assert row.genotype is not None
        advantage = reward - baseline
        baseline = DECAY * baseline + (1 - DECAY) * reward
        active = problem.space.active(row.genotype)
        for gene, choice in enumerate(row.genotype):
            if active[gene]:
                step = -_softmax(logits[gene])
                step[choice] += 1.0
                logits[gene] += rate * advantage * step
    return logits


def _rewards(rows: Sequence[Evaluation], problem: Problem) -> Array:
    """Return one number a row (N,): the negated sum of its objectives, each as a part of the range seen."""
    costs = cost_table(rows, problem)
    if len(costs) == 0:
        return np.empty(0)
    span = np.maximum(np.ptp(costs, axis=0), 1e-12)
    rewards: Array = -np.sum((costs - costs.min(axis=0)) / span, axis=1)
    return rewards * len(costs[0])


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max())
    odds: Array = powers / powers.sum()
    return odds
