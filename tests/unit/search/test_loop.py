"""The layer around any strategy: archive, budgets, bounds, failures, resuming."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.baselines import Baseline
from search.budget import Budget
from search.errors import Infeasible, MissingScore, UnknownStrategy
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.pareto import hypervolume
from search.problem import Problem
from search.result import ParetoFront
from search.strategy import load
from tests.unit.search import chain

SPACE = chain.ChainSpace()


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    with LocalExecutor(chain.make_accuracy) as executor:
        yield executor


def keys(found: list[Evaluation]) -> list[str]:
    return [entry.key for entry in found]


def test_nothing_is_evaluated_twice_and_the_budget_is_kept(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path)
    with LocalExecutor(factory) as executor:
        found = list(search(chain.problem(), "nsga2", executor, Budget(evaluations=70)))
    assert factory.evaluated() == keys(found)
    assert len(set(keys(found))) == 70


def test_scores_carry_their_sources(local: LocalExecutor) -> None:
    entry = next(search(chain.problem(), "random", local, Budget(evaluations=1)))
    assert {score.metric: score.source for score in entry.scores} == {
        "macs": "counted",
        "parameters": "counted",
        "ap": "inherited",
    }


@pytest.mark.parametrize("cut", [1, 19, 20, 33, 59])
def test_a_resumed_generation_based_search_continues_exactly(local: LocalExecutor, cut: int) -> None:
    whole = list(search(chain.problem(seed=3), "nsga2", local, Budget(evaluations=60)))
    rest = search(chain.problem(seed=3), "nsga2", local, Budget(evaluations=60), history=whole[:cut])
    assert keys(whole[:cut]) + keys(list(rest)) == keys(whole)


def test_the_order_of_arrival_does_not_matter(local: LocalExecutor) -> None:
    whole = list(search(chain.problem(seed=3), "nsga2", local, Budget(evaluations=80)))
    shuffled = whole[5:33][::-1] + whole[:5]
    rest = list(search(chain.problem(seed=3), "nsga2", local, Budget(evaluations=80), history=shuffled))
    assert sorted(keys(shuffled + rest)) == sorted(keys(whole))


def test_stopping_to_iterate_stops_the_search(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path)
    with LocalExecutor(factory) as executor:
        first = list(itertools.islice(search(chain.problem(), "nsga2", executor, Budget(evaluations=50)), 5))
        assert factory.evaluated() == keys(first)
        assert executor.wait() is None


def test_cheap_bounds_are_checked_before_anything_is_evaluated(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path)
    problem = chain.problem(Constraint("macs", upper=60_000))
    with LocalExecutor(factory) as executor:
        found = list(search(problem, "nsga2", executor, Budget(evaluations=25)))
    assert found and all(entry.value("macs") <= 60_000 for entry in found)
    assert factory.evaluated() == keys(found)


def test_a_niche_is_found_and_exhausted(local: LocalExecutor) -> None:
    narrow = Constraint("macs", upper=chain.cheap(SPACE.architecture(SPACE.corners()[0]))[0].value)
    found = list(search(chain.problem(narrow), "random", local, Budget(evaluations=25)))
    assert [entry.genotype for entry in found] == [SPACE.corners()[0]]


def test_an_infeasible_bound_names_the_nearest(local: LocalExecutor) -> None:
    problem = chain.problem(Constraint("macs", upper=1_000), Constraint("parameters", upper=10**9))
    with pytest.raises(Infeasible, match=r"meets macs <= 1000 MACs; the nearest has 8192") as caught:
        next(search(problem, "nsga2", local, Budget(evaluations=25)))
    assert caught.value.genotype == SPACE.corners()[0]


def test_a_bound_on_what_is_not_cheap_keeps_members_out_of_the_front(local: LocalExecutor) -> None:
    problem = chain.problem(Constraint("ap", lower=0.8))
    found = list(search(problem, "nsga2", local, Budget(evaluations=120)))
    front = ParetoFront.of(problem, found)
    assert front.members and all(entry.value("ap") >= 0.8 for entry in front.members)
    assert any(entry.value("ap") < 0.8 for entry in found)


def test_a_failing_architecture_is_named_and_the_rest_goes_on(tmp_path: Path, local: LocalExecutor) -> None:
    broken = next(search(chain.problem(), "nsga2", local, Budget(evaluations=1))).key
    factory = chain.Counting(tmp_path, broken=broken)
    with LocalExecutor(factory) as executor:
        found = list(search(chain.problem(), "nsga2", executor, Budget(evaluations=45)))
    failed = [entry for entry in found if entry.state == "failed"]
    assert [entry.key for entry in failed] == [broken] and failed[0].error == "RuntimeError: no such weight"
    assert factory.evaluated().count(broken) == 2, "tried twice, never again"
    assert len(found) == 45
    assert broken not in keys(list(ParetoFront.of(chain.problem(), found).members))


def test_baselines_come_first_and_outside_the_budget(local: LocalExecutor) -> None:
    baselines = [
        Baseline("small", SPACE.architecture(SPACE.corners()[0]), SPACE.corners()[0]),
        Baseline("same", SPACE.architecture(SPACE.corners()[0]), SPACE.corners()[0]),
        Baseline("large", SPACE.architecture(SPACE.corners()[1]), None),
    ]
    problem = chain.problem(Constraint("macs", upper=50_000))
    found = list(search(problem, "nsga2", local, Budget(evaluations=10), baselines=baselines))
    assert [entry.origin for entry in found[:3]] == ["baseline:small", "baseline:large", "search"]
    assert len(found) == 12
    again = search(problem, "nsga2", local, Budget(evaluations=10), history=found, baselines=baselines)
    assert list(again) == []


def test_wall_clock_ends_a_search(tmp_path: Path) -> None:
    with LocalExecutor(chain.Counting(tmp_path, seconds=0.02)) as executor:
        found = list(search(chain.problem(), "random", executor, Budget(seconds=0.2)))
    assert 1 <= len(found) <= 11


def test_a_flat_hypervolume_ends_a_search(local: LocalExecutor) -> None:
    budget = Budget(evaluations=4000, flat=60)
    found = list(search(chain.problem(), "nsga2", local, budget))
    assert len(found) < 1000
    trace = ParetoFront.of(chain.problem(), found).trace
    assert trace[-1] - trace[-61] < 1e-3 * trace[-1]


def test_a_small_space_is_exhausted_once() -> None:
    problem = chain.problem(Constraint("parameters", upper=300))
    with LocalExecutor(chain.make_accuracy) as executor:
        found = list(search(problem, "nsga2", executor, Budget(evaluations=100)))
    able = {graph.key for graph in map(SPACE.architecture, SPACE.everything()) if graph.parameters() <= 300}
    assert set(keys(found)) == able and len(found) == len(able)


def test_a_metric_that_nobody_gives_is_named(local: LocalExecutor) -> None:
    problem = Problem(SPACE, (Objective("ap"), Objective("latency_ms")), cheap=chain.cheap)
    with pytest.raises(MissingScore, match="'latency_ms' is searched by"):
        next(search(problem, "random", local, Budget(evaluations=3)))


def test_an_unknown_strategy_or_option_is_answered_with_what_there_is() -> None:
    with pytest.raises(UnknownStrategy, match="did you mean nsga2"):
        load("nsga3")
    with pytest.raises(UnknownStrategy, match="it takes batch, population"):
        load("nsga2", popsize=3)


def test_a_front_survives_json_and_its_trace_is_honest(local: LocalExecutor) -> None:
    problem = chain.problem()
    found = list(search(problem, "nsga2", local, Budget(evaluations=60)))
    front = ParetoFront.of(problem, found, rank_correlation=0.5)
    assert ParetoFront.from_json(front.to_json()) == front
    costs = [(-entry.value("ap"), entry.value("macs")) for entry in found]
    for count in (1, 20, 60):
        assert front.trace[count - 1] == pytest.approx(hypervolume(costs[:count], (-0.3, 4e5)))
    assert front.hypervolume == front.trace[-1]


def test_the_reference_point_comes_from_the_bounds_or_lies_behind_the_worst(local: LocalExecutor) -> None:
    problem = chain.problem(Constraint("macs", upper=300_000), reference=None)
    found = list(search(problem, "random", local, Budget(evaluations=20)))
    lowest, highest = (pick(entry.value("ap") for entry in found) for pick in (min, max))
    expected = lowest - 0.1 * (highest - lowest)
    assert ParetoFront.of(problem, found).reference == (pytest.approx(expected), 300_000)
