"""What measures beyond a bound leaves the front, and what takes its place is measured too."""

from typing import Any, cast

import pytest

from evaluators.score import Score
from search.evaluation import Evaluation
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.result import ParetoFront
from service.jobs import search
from service.scoring import Bench
from service.work import Work
from tests.unit.search.chain import ChainSpace

SPACE = ChainSpace()
BOUND = (Constraint("latency_ms", upper=10.0),)


def scored(place: int, ap: float, latency_ms: float) -> Evaluation:
    genotype = SPACE.everything()[place]
    graph = SPACE.architecture(genotype)
    scores = (Score("ap", ap, "1", "inherited"), Score("latency_ms", latency_ms, "ms", "predicted"))
    return Evaluation(graph.key, genotype, graph, scores)


@pytest.mark.parametrize("slow", [1.0, 1.2], ids=["as predicted", "slower than predicted"])
def test_members_are_within_the_bound_as_measured(monkeypatch: pytest.MonkeyPatch, slow: float) -> None:
    history = [scored(0, 0.3, 5.0), scored(1, 0.5, 9.0), scored(2, 0.45, 8.0), scored(3, 0.44, 8.2)]
    measured: list[str] = []

    def measure(_: Work, __: Bench, front: ParetoFront) -> dict[str, Any]:
        fresh = [entry for entry in front.members if entry.key not in measured]
        measured.extend(entry.key for entry in fresh)
        values = {entry.key: entry.value("latency_ms") for entry in fresh}
        values = {key: value * (slow if value > 8.1 else 1.0) for key, value in values.items()}
        return {key: [Score("latency_ms", v, "ms", "measured").to_record()] for key, v in values.items()}

    monkeypatch.setattr(search, "measure_front", measure)
    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), BOUND)
    front, labels = search.verified_front(cast(Work, None), cast(Bench, None), problem, history, ())
    keys = [entry.key for entry in history]
    kept = [keys.index(entry.key) for entry in front.members]
    assert kept == ([1, 2, 0] if slow == 1.0 else [2, 0])
    assert set(labels) == {history[index].key for index in (0, 1, 2)}


def test_what_is_on_the_front_instead_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    history = [scored(0, 0.5, 9.0), scored(1, 0.4, 9.5), scored(2, 0.3, 9.6)]
    rounds: list[int] = []

    def measure(_: Work, __: Bench, front: ParetoFront) -> dict[str, Any]:
        rounds.append(len(front.members))
        late = {entry.key: 11.0 if entry.value("ap") > 0.35 else 9.6 for entry in front.members}
        return {key: [Score("latency_ms", v, "ms", "measured").to_record()] for key, v in late.items()}

    monkeypatch.setattr(search, "measure_front", measure)
    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), BOUND)
    front, _ = search.verified_front(cast(Work, None), cast(Bench, None), problem, history, ())
    assert rounds == [1, 1, 1] and [entry.key for entry in front.members] == [history[2].key]
