"""Evaluations of a search as the record keeps them, and back."""

from __future__ import annotations

import json

from search.evaluation import Evaluation
from service.records import StoredEvaluation
from service.stores.evaluations import NewEvaluation


def new_evaluation(evaluation: Evaluation, document: str | None = None) -> NewEvaluation:
    """Return what the record keeps of an evaluation; `document` is its architecture's JSON, where known."""
    return NewEvaluation(
        key=evaluation.key,
        architecture=evaluation.architecture.to_json() if document is None else document,
        genotype=evaluation.genotype,
        origin=evaluation.origin,
        state=evaluation.state,
        scores=[score.to_record() for score in evaluation.scores],
        error=evaluation.error,
        seconds=evaluation.seconds,
        generation=evaluation.generation,
        position=evaluation.position,
    )


def read_evaluation(stored: StoredEvaluation, document: str) -> Evaluation:
    """Return the evaluation that was kept, whose architecture is `document`."""
    record = {
        "schema_version": 1,
        "key": stored.key,
        "genotype": stored.genotype,
        "architecture": json.loads(document),
        "scores": json.loads(stored.scores),
        "origin": stored.origin,
        "state": stored.state,
        "error": stored.error,
        "seconds": stored.seconds,
        "generation": stored.generation,
        "position": stored.position,
    }
    return Evaluation.from_record(record)
