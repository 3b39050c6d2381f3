"""Begins a search from what earlier ones of its supernet scored: a front at once, before any evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evaluators.score import Score
from search.evaluation import Evaluation
from search.problem import Problem
from search.research import adopt, predicted
from service.history import new_evaluation, read_evaluation
from service.records import StoredEvaluation
from service.scoring import Bench
from service.stores import evaluations, events
from service.work import Work

MOST = 2_000
"""Archived evaluations that are adopted, the newest first."""


def adopted(work: Work, bench: Bench, problem: Problem) -> list[Evaluation]:
    """Return what earlier searches of the supernet scored, as a history of this search, and store it so.

    Accuracies stay, costs and latencies are those of this search's device. All are stored at once or, where
    the attempt dies, none.
    """
    with work.store.database.read() as tx:
        found = evaluations.of_supernet(
            tx, work.job.owner, bench.search.supernet_id, bench.revisions, MOST, but=work.job.id
        )
        documents = evaluations.architectures_of(tx, [entry.key for entry in found])
    archive = [_read(problem, entry, documents[entry.key]) for entry in found]
    history = adopt(problem, archive)
    with work.write() as tx:
        for entry in history:
            new = new_evaluation(entry, documents[entry.key])
            evaluations.add(tx, work.job.id, new, bench.revisions, work.job.attempt)
        events.append(tx, work.job.id, "archive", {"adopted": len(history)})
    return history


def _read(problem: Problem, stored: StoredEvaluation, document: str) -> Evaluation:
    """Return an archived evaluation; its graph is made anew where its genotype gives the same one, which
    takes a third of the time of reading it.
    """
    if stored.genotype is not None:
        graph = problem.space.architecture(tuple(stored.genotype))
        if graph.key == stored.key:
            scores = tuple(Score.from_record(score) for score in json.loads(stored.scores))
            made = (stored.key, tuple(stored.genotype), graph, scores, stored.origin)
            return Evaluation(*made, seconds=stored.seconds)
    return read_evaluation(stored, document)


def guessed(work: Work, problem: Problem, history: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the front that the model predicts beyond `history`, and publish it, marked as predicted."""
    guesses = predicted(problem, history)
    points = [_point(entry) for entry in guesses]
    with work.write() as tx:
        events.append(tx, work.job.id, "predicted_front", {"points": points})
    return guesses


def _point(entry: Evaluation) -> dict[str, Any]:
    scores = [score.to_record() for score in entry.scores]
    genotype = None if entry.genotype is None else list(entry.genotype)
    return {"key": entry.key, "genotype": genotype, "scores": json.loads(json.dumps(scores))}
