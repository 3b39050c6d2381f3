"""Another question to an archive: another device, another bound."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.score import Score
from search.budget import Budget
from search.errors import MissingPredictor
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.history import members
from search.loop import search
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.research import adopt, predicted
from search.result import ParetoFront
from search.surrogate.correlation import held_out
from search_space.architecture import Architecture
from tests.unit.search import chain

SPACE = chain.ChainSpace()


def on_board(graph: Architecture) -> tuple[Score, ...]:
    """A device that is paid by the layer, whatever its width."""
    return (
        Score("latency_ms@board", 0.5 * len(graph.nodes) + graph.parameters() / 1e4, "ms", "predicted", 0.02),
    )


BOARD = Problem(
    SPACE,
    (Objective("ap"), Objective("latency_ms@board")),
    (Constraint("latency_ms@board", upper=3.0),),
    cheap=on_board,
)


@pytest.fixture(scope="module")
def archive() -> list[Evaluation]:
    with LocalExecutor(chain.make_accuracy) as executor:
        return list(search(chain.problem(seed=1), "surrogate", executor, Budget(evaluations=60)))


def test_accuracies_stay_and_cheap_scores_are_new(archive: list[Evaluation]) -> None:
    lost = replace(archive[0], state="failed", error="lost")
    history = adopt(BOARD, [lost, *archive[1:]])
    assert [entry.key for entry in history] == [entry.key for entry in archive[1:]]
    for old, new in zip(archive[1:], history, strict=True):
        assert new.score("ap") == old.score("ap")
        assert new.score("latency_ms@board").source == "predicted" and new.origin == "archive"


def test_a_device_without_predictor_is_named_with_the_remedy(archive: list[Evaluation]) -> None:
    other = replace(BOARD, objectives=(Objective("ap"), Objective("latency_ms@phone")), constraints=())
    with pytest.raises(MissingPredictor, match="neckline devices calibrate --device phone"):
        adopt(other, archive)


def test_a_front_is_there_at_once_and_marked(archive: list[Evaluation]) -> None:
    history = adopt(BOARD, archive)
    guesses = predicted(BOARD, history)
    assert guesses and {entry.key for entry in guesses}.isdisjoint(entry.key for entry in archive)
    for entry in guesses:
        assert entry.score("ap").source == "predicted" and entry.score("ap").stderr is not None
        assert entry.origin == "predicted" and BOARD.feasible(entry)
    hits = {entry.key for entry in members([*history, *guesses], BOARD)}
    assert hits >= {entry.key for entry in guesses}
    errors = [abs(entry.value("ap") - chain.accuracy(entry.architecture)[0].value) for entry in guesses]
    assert np.median(errors) < 0.03


def test_guesses_are_evaluated_first_and_improve_the_front(archive: list[Evaluation]) -> None:
    problem = BOARD.at((0.3, 3.0))
    history = adopt(problem, archive)
    guesses = predicted(problem, history)
    with LocalExecutor(chain.make_accuracy) as executor:
        budget = Budget(evaluations=len(guesses) + 4)  # the archive is free
        found = list(search(problem, "surrogate", executor, budget, history, first=guesses))
    assert len(found) == budget.evaluations
    assert [entry.key for entry in found[: len(guesses)]] == [entry.key for entry in guesses]
    assert all(entry.score("ap").source == "inherited" and entry.origin == "search" for entry in found)
    before, after = (
        ParetoFront.of(problem, entries).hypervolume for entries in (history, [*history, *found])
    )
    assert after > before


def test_too_short_an_archive_predicts_nothing(archive: list[Evaluation]) -> None:
    assert predicted(BOARD, adopt(BOARD, archive[:5])) == []


def test_the_model_is_judged_on_what_it_has_not_seen(archive: list[Evaluation]) -> None:
    tau = held_out(chain.problem(), archive)
    assert tau is not None and 0.6 < tau <= 1.0
    assert held_out(chain.problem(), archive[:8]) is None
    shuffled = [
        replace(entry, scores=other.scores) for entry, other in zip(archive, reversed(archive), strict=True)
    ]
    worse = held_out(chain.problem(), shuffled)
    assert worse is not None and worse < tau
    assert ParetoFront.of(chain.problem(), archive).rank_correlation == tau
