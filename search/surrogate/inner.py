"""NSGA-II over predictions (Deb et al., 2002): thousands of genotypes at the price of none."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Genotype
from search.pareto import ranks
from search.surrogate.encoding import Encoder

Array = NDArray[np.float64]
Score = Callable[[Sequence[Genotype]], Array]
"""Objectives (N, M) of genotypes, smaller is better."""

POPULATION = 100
GENERATIONS = 12
CROSSOVER = 0.8
MUTATIONS = 1.5
"""Expected number of genes changed in a child."""


def evolve(
    encoder: Encoder,
    score: Score,
    start: Sequence[Genotype],
    rng: np.random.Generator,
    *,
    population: int = POPULATION,
    generations: int = GENERATIONS,
) -> tuple[list[Genotype], Array]:
    """Return the last population and its objectives (N, M), from canonical genotypes to start with."""
    current = list(dict.fromkeys(start))
    scores = score(current)
    seen = set(current)
    for _ in range(generations):
        current, scores = _fittest(current, scores, population)
        children = [child for child in _children(encoder, current, population, rng) if child not in seen]
        if not children:
            continue
        seen.update(children)
        current, scores = current + children, np.vstack([scores, score(children)])
    return _fittest(current, scores, population)


def _fittest(current: list[Genotype], scores: Array, count: int) -> tuple[list[Genotype], Array]:
    """Return the best `count` by front, then by crowding, best first."""
    rank = ranks(scores)
    distance = np.zeros(len(current))
    for level in range(int(rank.max()) + 1):
        members = np.flatnonzero(rank == level)
        distance[members] = crowding(scores[members])
    order = np.lexsort([-distance, rank])[:count]
    return [current[index] for index in order], scores[order]


def crowding(scores: Array) -> Array:
    """Return for each point of a front (N, M) the summed gap between its neighbours; infinite at the ends."""
    distance = np.zeros(len(scores))
    for column in scores.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def standing(costs: Array) -> list[tuple[int, float]]:
    """Return for each row of `costs` (N, M) its front and its negated crowding: smaller is better."""
    rank = ranks(costs)
    gaps = np.zeros(len(costs))
    for level in set(rank.tolist()):
        gaps[rank == level] = crowding(costs[rank == level])
    return [(int(level), -float(gap)) for level, gap in zip(rank, gaps, strict=True)]


def _children(
    encoder: Encoder, parents: list[Genotype], count: int, rng: np.random.Generator
) -> list[Genotype]:
    """Return distinct canonical children of parents that are sorted best first."""
    table = np.array(parents)  # (P, G)
    picks = rng.integers(len(parents), size=(2, 2, count)).min(axis=1)  # the better of two, twice
    first, second = table[picks[0]], table[picks[1]]
    swapped = (rng.random(first.shape) < 0.5) & (rng.random((count, 1)) < CROSSOVER)
    mixed = np.where(swapped, second, first)
    fresh = (rng.random(mixed.shape) * encoder.sizes).astype(np.intp)
    active = encoder.active(parents)[picks[0]]
    odds = MUTATIONS / np.maximum(active.sum(axis=1, keepdims=True), 1)
    changed = np.where(rng.random(mixed.shape) < odds, fresh, mixed)
    return encoder.canonical(changed)
