"""Another question to a supernet that was searched before: another device, another bound, other objectives.

The archive's accuracies stay true; what is cheap is looked up anew. So a front is there at once, marked
as predicted where it is, and evaluations only refine it:

    history = adopt(problem, archive)
    guesses = predicted(problem, history)              # a front at once
    search(problem, "surrogate", executor, budget, history, first=guesses)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.score import Score
from search.errors import MissingPredictor
from search.evaluation import ARCHIVE, Evaluation
from search.history import cost_table, inside, members
from search.objectives import device
from search.pareto import front
from search.problem import Candidate, Problem
from search.surrogate.features import Ground, ground
from search.surrogate.model import Model

Array = NDArray[np.float64]

FEWEST = 8
"""Archived evaluations below which nothing is predicted."""
GUESSED = 32
"""Members of a predicted front, at most."""


def adopt(problem: Problem, archive: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the archive as a history of `problem`: scores that are cheap now are looked up now.

    Failed evaluations and what lacks an objective that is not cheap are left out. What is adopted has the
    origin `archive`, which no budget counts.

    Raises:
        MissingPredictor: an objective or bound on latency that the problem's cheap scores do not give.
    """
    known = {score.metric for score in problem.cheap(problem.space.architecture(problem.space.corners()[0]))}
    wanted = [entry.metric for entry in problem.objectives] + [entry.metric for entry in problem.constraints]
    for metric in wanted:
        if metric.startswith("latency") and metric not in known:
            raise MissingPredictor(device(metric) or "the search's device")
    moved = [_moved(problem, entry, known) for entry in archive if entry.state == "ok"]
    return [entry for entry in moved if not np.isnan(problem.costs(entry)).any()]


def _moved(problem: Problem, entry: Evaluation, cheap: set[str]) -> Evaluation:
    kept = tuple(score for score in entry.scores if score.metric not in cheap)
    return Evaluation(
        key=entry.key,
        genotype=entry.genotype,
        architecture=entry.architecture,
        scores=problem.cheap(entry.architecture) + kept,
        origin=entry.origin if entry.is_baseline else ARCHIVE,
        seconds=entry.seconds,
    )


def predicted(problem: Problem, history: Sequence[Evaluation]) -> list[Evaluation]:
    """Return architectures that nobody evaluated and the model puts on the front, the furthest ahead first.

    Their dear objectives carry the source `predicted` and the model's standard error. Empty where
    `history` is too short to predict from.
    """
    rows = inside(history, problem)
    base = ground(problem)
    if len(rows) < FEWEST or base.exact.all():
        return []
    model = Model.of(base, rows)
    rng = np.random.default_rng([problem.seed, 2])
    pool = [problem.candidate(genotype) for genotype in model.pool(history, rows, rng)]
    if not pool:
        return []
    costs = np.array([problem.costs(candidate) for candidate in pool])
    table, deviations = model.beliefs([candidate.genotype for candidate in pool], costs)
    known = cost_table(members(history, problem), problem)
    both = np.vstack([known.reshape(-1, table.shape[1]), table])
    chosen = [index - len(known) for index in front(both) if index >= len(known)]
    gaps = sorted(chosen, key=lambda index: -_lead(table[index], known))[:GUESSED]
    return [
        _guess(base, pool[index], table[index], deviations[index], place) for place, index in enumerate(gaps)
    ]


def _lead(point: Array, known: Array) -> float:
    """Return by how much `point` leads the front `known`, each objective measured by its range."""
    if len(known) == 0:
        return 0.0
    span = np.maximum(np.ptp(known, axis=0), 1e-12)
    return float(np.min(np.max((known - point) / span, axis=1)))


def _guess(base: Ground, candidate: Candidate, costs: Array, sds: Array, place: int) -> Evaluation:
    problem = base.problem
    dear = tuple(
        Score(entry.metric, entry.from_cost(float(cost)), entry.unit or "1", "predicted", float(sd))
        for entry, cost, sd, exact in zip(problem.objectives, costs, sds, base.exact, strict=True)
        if not exact
    )
    return Evaluation(
        key=candidate.key,
        genotype=candidate.genotype,
        architecture=problem.space.architecture(candidate.genotype),
        scores=candidate.scores + dear,
        origin="predicted",
        position=place,
    )
