"""What a model sees of a genotype: its masked encoding, and its cheap objectives as logarithms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Genotype
from search.problem import Candidate, Problem
from search.sampling import draws
from search.surrogate.encoding import Encoder
from search.surrogate.gaussian import Posterior, fit

Array = NDArray[np.float64]

DRAWS = 500
"""Genotypes whose cheap scores are looked up once, to place designs and to guess the cheap scores of
others.
"""
FITTED = 250
"""How many of them the guess is fitted to."""


@dataclass(frozen=True)
class Ground:
    """What is known of a problem before anything is evaluated. It follows from the problem alone.

    Attributes:
        drawn: feasible candidates all over the space where there are any, else any.
        exact: for each objective whether it is cheap (M,).
        columns: the group of each feature: one a gene, then one a cheap objective.
        guesses: for each cheap objective a model of the logarithm of its value.
        shift, scale: of those logarithms (C,).
    """

    problem: Problem
    encoder: Encoder
    drawn: tuple[Candidate, ...]
    exact: NDArray[np.bool_]
    columns: tuple[int, ...]
    guesses: tuple[Posterior, ...]
    shift: Array
    scale: Array

    def encode(self, genotypes: Sequence[Genotype]) -> Array:
        """Return the masked encodings (N, E)."""
        return self.encoder.encode(genotypes)

    def guess(self, chosen: Sequence[Genotype], encodings: Array) -> Array:
        """Return the logarithms of the cheap objectives (N, C), guessed unless many are had in one call."""
        entries = [entry for entry, exact in zip(self.problem.objectives, self.exact, strict=True) if exact]
        columns, every = [np.empty((len(encodings), 0))], dict(self.problem.many)
        for entry, guess in zip(entries, self.guesses, strict=True):
            many = every.get(entry.metric)
            columns.append(guess.marginal(encodings)[0] if many is None else _logs(many(chosen)))
        return np.column_stack(columns)

    def logs(self, costs: Array) -> Array:
        """Return the logarithms (N, C) of the cheap objectives among `costs` (N, M)."""
        return _logs(costs[:, self.exact])

    def costs(self, logs: Array) -> Array:
        """Return the cheap objectives (N, C) whose logarithms are `logs`."""
        signs = [
            entry.sign for entry, exact in zip(self.problem.objectives, self.exact, strict=True) if exact
        ]
        costs: Array = np.exp(logs) * np.array(signs)
        return costs

    def features(self, encodings: Array, logs: Array) -> Array:
        """Return what a model of a dear objective sees (N, E + C)."""
        seen: Array = np.hstack([encodings, (logs - self.shift) / self.scale])
        return seen


@lru_cache(maxsize=8)
def ground(problem: Problem) -> Ground:
    """Return what is known of a problem before anything is evaluated; worked out once."""
    rng = np.random.default_rng([problem.seed, 1])
    drawn = [problem.candidate(genotype) for genotype in islice(draws(problem, rng), DRAWS)]
    exact = np.array(problem.cheap_objectives())
    encoder = Encoder(problem.space)
    encodings = encoder.encode([entry.genotype for entry in drawn[:FITTED]])
    costs = np.array([problem.costs(entry) for entry in drawn])[:, exact]
    logs = _logs(costs)
    blocks = encoder.columns.tolist()
    guesses = tuple(
        fit(encodings, logs[:FITTED, column], blocks, steps=15) for column in range(logs.shape[1])
    )
    extra = [len(problem.space.genes) + column for column in range(logs.shape[1])]
    able = tuple({entry.key: entry for entry in drawn if problem.feasible(entry)}.values())
    return Ground(
        problem,
        encoder,
        able or tuple(drawn),
        exact,
        (*blocks, *extra),
        guesses,
        logs.mean(axis=0),
        np.maximum(logs.std(axis=0), 1e-9),
    )


def _logs(values: Array) -> Array:
    logs: Array = np.log(np.maximum(np.abs(values), 1e-12))
    return logs
