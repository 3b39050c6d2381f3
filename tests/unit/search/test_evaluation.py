"""An evaluation survives JSON, and says what it lacks."""

import json

import pytest

from evaluators.score import Score
from search.errors import MissingScore, NewerSchema, SearchError
from search.evaluation import Evaluation
from tests.unit.search.chain import ChainSpace

SPACE = ChainSpace()
GENOTYPE = SPACE.canonical((1, 0, 2, 0, 0, 1, 0, 0, 0))
GRAPH = SPACE.architecture(GENOTYPE)
SCORES = (
    Score("ap", 0.4375, "1", "inherited", 0.01),
    Score("latency_ms", 3.5, "ms", "predicted"),
    Score("latency_ms", 3.75, "ms", "measured"),
)


def test_it_survives_json() -> None:
    for entry in (
        Evaluation(GRAPH.key, GENOTYPE, GRAPH, SCORES, seconds=0.5, generation=3, position=7),
        Evaluation(GRAPH.key, None, GRAPH, (), "baseline:fpn", "failed", "RuntimeError: lost"),
    ):
        assert Evaluation.from_json(entry.to_json()) == entry


def test_the_first_score_of_a_metric_is_the_one_searched_by() -> None:
    entry = Evaluation(GRAPH.key, GENOTYPE, GRAPH, SCORES)
    assert entry.value("latency_ms") == 3.5 and entry.score("latency_ms").source == "predicted"


def test_a_missing_score_is_named() -> None:
    with pytest.raises(MissingScore, match="no score of 'macs'; it has ap, latency_ms"):
        Evaluation(GRAPH.key, GENOTYPE, GRAPH, SCORES).value("macs")


def test_a_failed_evaluation_names_its_error() -> None:
    with pytest.raises(SearchError, match="an error belongs to a failed"):
        Evaluation(GRAPH.key, GENOTYPE, GRAPH, (), state="failed")
    with pytest.raises(SearchError, match="an error belongs to a failed"):
        Evaluation(GRAPH.key, GENOTYPE, GRAPH, SCORES, error="lost")


def test_a_newer_schema_is_refused() -> None:
    record = json.loads(Evaluation(GRAPH.key, GENOTYPE, GRAPH, SCORES).to_json())
    with pytest.raises(NewerSchema, match="schema_version 99"):
        Evaluation.from_record({**record, "schema_version": 99})
