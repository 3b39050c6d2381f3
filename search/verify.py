"""The second stage of an answer: the front scored again, on everything and by measurement."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from search.evaluation import Evaluation
from search.execution import Evaluator, evaluated
from search.history import members
from search.problem import Problem
from search.result import ParetoFront, reference_point


@dataclass(frozen=True)
class Optimism:
    """By how much a metric looked better in the search than on verification, in its own unit.

    Attributes:
        metric: the objective.
        mean: mean over the verified members; positive where the search was optimistic.
        worst: the largest.
    """

    metric: str
    mean: float
    worst: float


def verified(
    chosen: Iterable[Evaluation], checks: Sequence[Evaluator], *, attempts: int = 2
) -> Iterator[Evaluation]:
    """Yield each evaluation with the scores of every check in front of those it was searched by.

    A check takes an architecture and returns scores, say on the full validation set, or measured on the
    device. Where one fails, the evaluation is yielded as failed, with the error and the scores there
    were.
    """
    for entry in chosen:
        outcomes = [evaluated(check, entry.architecture, attempts) for check in checks]
        scores = tuple(score for outcome in outcomes for score in outcome.scores)
        seconds = entry.seconds + sum(outcome.seconds for outcome in outcomes)
        error = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
        state = "failed" if error is not None else entry.state
        yield replace(entry, scores=scores + entry.scores, seconds=seconds, state=state, error=error)


def verify(
    problem: Problem, history: Sequence[Evaluation], checks: Sequence[Evaluator], *, attempts: int = 2
) -> tuple[ParetoFront, tuple[Optimism, ...]]:
    """Return the front of the verified members of `history`'s front, and how optimistic the search was.

    Members that verification shows dominated or out of bounds leave the front; the reference point stays.
    """
    before = members(history, problem)
    after = list(verified(before, checks, attempts=attempts))
    front = ParetoFront.of(problem.at(reference_point(problem, history)), after)
    return front, optimism(problem, before, after)


def optimism(
    problem: Problem, before: Sequence[Evaluation], after: Sequence[Evaluation]
) -> tuple[Optimism, ...]:
    """Return for each objective by how much the search's values were better than the verified ones."""
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if new.state == "ok"]
    found = []
    for objective in problem.objectives:
        losses = [
            objective.to_cost(new.value(objective.metric)) - objective.to_cost(old.value(objective.metric))
            for old, new in pairs
        ]
        if losses:
            found.append(Optimism(objective.metric, sum(losses) / len(losses), max(losses)))
    return tuple(found)
