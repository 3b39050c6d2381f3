"""What measures beyond a bound, or reaches less on all validation images, leaves the front, and what takes
its place is checked too.
"""

import pytest

from evaluators.score import Score
from search.evaluation import Evaluation
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.result import ParetoFront
from service.final_front import Checked, verified_front
from tests.unit.search.chain import ChainSpace

SPACE = ChainSpace()
BOUND = (Constraint("latency_ms", upper=10.0),)


def scored(place: int, ap: float, latency_ms: float) -> Evaluation:
    genotype = SPACE.everything()[place]
    graph = SPACE.architecture(genotype)
    scores = (Score("ap", ap, "1", "inherited"), Score("latency_ms", latency_ms, "ms", "predicted"))
    return Evaluation(graph.key, genotype, graph, scores)


@pytest.mark.parametrize("slow", [1.0, 1.2], ids=["as predicted", "slower than predicted"])
def test_members_are_within_the_bound_as_measured(slow: float) -> None:
    history = [scored(0, 0.3, 5.0), scored(1, 0.5, 9.0), scored(2, 0.45, 8.0), scored(3, 0.44, 8.2)]
    measured: list[str] = []

    def measure(front: ParetoFront) -> Checked:
        fresh = [entry for entry in front.members if entry.key not in measured]
        measured.extend(entry.key for entry in fresh)
        values = {entry.key: entry.value("latency_ms") for entry in fresh}
        values = {key: value * (slow if value > 8.1 else 1.0) for key, value in values.items()}
        return Checked({key: (Score("latency_ms", v, "ms", "measured"),) for key, v in values.items()})

    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), BOUND)
    front, checked = verified_front(measure, problem, history, ())
    keys = [entry.key for entry in history]
    kept = [keys.index(entry.key) for entry in front.members]
    assert kept == ([1, 2, 0] if slow == 1.0 else [2, 0])
    assert set(checked.scores) == {history[index].key for index in (0, 1, 2)}


def test_what_is_on_the_front_instead_is_measured() -> None:
    history = [scored(0, 0.5, 9.0), scored(1, 0.4, 9.5), scored(2, 0.3, 9.6)]
    rounds: list[int] = []

    def measure(front: ParetoFront) -> Checked:
        rounds.append(len(front.members))
        late = {entry.key: 11.0 if entry.value("ap") > 0.35 else 9.6 for entry in front.members}
        return Checked({key: (Score("latency_ms", v, "ms", "measured"),) for key, v in late.items()})

    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), BOUND)
    front, _ = verified_front(measure, problem, history, ())
    assert rounds == [1, 1, 1] and [entry.key for entry in front.members] == [history[2].key]


def verified(**aps: float) -> Checked:
    return Checked({key: (Score("ap", ap, "1", "verified", 0.01, 50, 50),) for key, ap in aps.items()})


def test_a_member_that_disappoints_on_all_images_leaves_the_front() -> None:
    history = [scored(0, 0.3, 5.0), scored(1, 0.5, 9.0), scored(2, 0.45, 8.0)]
    keys = [entry.key for entry in history]
    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")))
    found = verified(**dict(zip(keys, (0.31, 0.40, 0.42), strict=True)))
    front, _ = verified_front(lambda _: found, problem, history, ())
    assert [keys.index(entry.key) for entry in front.members] == [2, 0]
    assert [(score.value, score.source) for score in front.members[0].scores if score.metric == "ap"] == [
        (0.42, "verified"),
        (0.45, "inherited"),
    ]
    plain, _ = verified_front(lambda _: Checked(), problem, history, ())
    assert len(plain.members) == 3 and front.hypervolume < plain.hypervolume
    assert front.reference == plain.reference


def test_a_bound_holds_on_all_images_by_the_whole_interval_where_certain() -> None:
    history = [scored(0, 0.5, 5.0), scored(1, 0.48, 6.0)]
    keys = [entry.key for entry in history]
    for certain, kept in ((False, [keys[0]]), (True, [])):
        bound = Constraint("ap", lower=0.45, certain=certain)
        problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), (bound,))
        found = verified(**{keys[0]: 0.46, keys[1]: 0.44})
        front, _ = verified_front(lambda _, found=found: found, problem, history, ())  # type: ignore[misc]
        assert [entry.key for entry in front.members] == kept


def test_the_document_tells_what_was_measured_from_what_was_verified() -> None:
    scores = (Score("latency_ms", 2.0, "ms", "measured"), Score("ap", 0.4, "1", "verified", 0.01, 50, 50))
    made = Checked({"k": scores}).document({"k": "id"})
    assert (made["measured_ids"], made["verified_ids"]) == (
        {"id": {"latency_ms": 2.0}},
        {"id": {"ap": [0.4, 0.01]}},
    )
    assert made["verified"]["k"][0]["images"] == 50 and [s["metric"] for s in made["measured"]["k"]] == [
        "latency_ms"
    ]
