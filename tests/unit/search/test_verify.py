"""The second stage of an answer."""

import pytest

from evaluators.score import Score
from search.budget import Budget
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.loop import search
from search.result import ParetoFront
from search.verify import verified, verify
from search_space.architecture import Architecture
from tests.unit.search import chain

PROBLEM = chain.problem(seed=1)


@pytest.fixture(scope="module")
def history() -> list[Evaluation]:
    with LocalExecutor(chain.make_accuracy) as executor:
        return list(search(PROBLEM, "nsga2", executor, Budget(evaluations=60)))


def sobering(graph: Architecture) -> tuple[Score, ...]:
    return (Score("ap", chain.accuracy(graph)[0].value - 0.02, "1", "inherited", 0.001),)


def test_every_member_is_scored_again_and_the_optimism_said(history: list[Evaluation]) -> None:
    before = ParetoFront.of(PROBLEM, history)
    front, optimism = verify(PROBLEM, history, [sobering])
    assert {entry.key for entry in front.members} == {entry.key for entry in before.members}
    assert front.hypervolume < before.hypervolume and front.reference == before.reference
    assert [entry.metric for entry in optimism] == ["ap", "macs"]
    assert optimism[0].mean == pytest.approx(0.02) and optimism[1].worst == 0.0
    member = front.members[0]
    assert [score.stderr for score in member.scores if score.metric == "ap"] == [0.001, 0.01]


def test_a_member_that_disappoints_leaves_the_front(history: list[Evaluation]) -> None:
    best = ParetoFront.of(PROBLEM, history).members[0]

    def check(graph: Architecture) -> tuple[Score, ...]:
        value = 0.1 if graph.key == best.key else chain.accuracy(graph)[0].value
        return (Score("ap", value, "1", "inherited"),)

    front, optimism = verify(PROBLEM, history, [check])
    assert best.key not in {entry.key for entry in front.members}
    assert optimism[0].worst == pytest.approx(best.value("ap") - 0.1)


def test_a_check_that_fails_is_named(history: list[Evaluation]) -> None:
    def check(graph: Architecture) -> tuple[Score, ...]:
        raise OSError("the device does not answer")

    (entry,) = verified(history[:1], [sobering, check])
    assert entry.state == "failed" and entry.error == "OSError: the device does not answer"
    assert entry.value("ap") == pytest.approx(history[0].value("ap") - 0.02)
