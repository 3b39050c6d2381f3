"""What may be asked for, and what is refused with a name."""

import math
from dataclasses import replace
from typing import Any

import pytest

from evaluators.score import Score
from search.budget import Budget
from search.errors import InvalidBudget, InvalidConstraint, InvalidProblem, UnknownMetric, UnknownUnit
from search.objectives import METRICS, Constraint, Objective, device, metric
from search.problem import Problem
from search_space.architecture import Architecture
from tests.unit.search.chain import ChainSpace


@pytest.mark.parametrize("name", METRICS)
def test_a_cost_turns_back_into_its_value(name: str) -> None:
    objective = Objective(name)
    assert objective.from_cost(objective.to_cost(0.25)) == 0.25
    better = 1.0 if objective.direction == "minimise" else -1.0
    assert objective.to_cost(2.0) * better > objective.to_cost(1.0) * better


def test_accuracy_is_to_be_large_and_latency_small() -> None:
    assert Objective("ap").to_cost(0.4) < Objective("ap").to_cost(0.3)
    assert Objective("latency_ms").to_cost(3) < Objective("latency_ms").to_cost(4)


def test_a_metric_may_name_its_device() -> None:
    assert metric("latency_ms@board").unit == "ms"
    assert device("latency_ms@board") == "board" and device("latency_ms") is None


def test_an_unknown_metric_is_answered_with_near_matches() -> None:
    with pytest.raises(UnknownMetric, match="did you mean latency_ms"):
        Objective("latency")


def test_a_foreign_unit_is_refused() -> None:
    with pytest.raises(UnknownUnit, match="is in ms, not in 's'"):
        Objective("latency_ms", unit="s")
    with pytest.raises(UnknownUnit):
        Constraint("latency_ms", upper=0.01, unit="s")


@pytest.mark.parametrize(
    "bounds", [{}, {"upper": math.nan}, {"upper": math.inf}, {"upper": 1.0, "lower": 2.0}]
)
def test_a_constraint_needs_bounds_that_can_hold(bounds: dict[str, Any]) -> None:
    with pytest.raises(InvalidConstraint):
        Constraint("latency_ms", **bounds)


def test_violation_is_relative_to_the_bound() -> None:
    constraint = Constraint("latency_ms", upper=10, lower=5)
    assert [constraint.violation(value) for value in (5, 10, 15, 4)] == [0, 0, 0.5, 0.2]
    assert constraint.violation(math.nan) == math.inf
    assert str(constraint) == "latency_ms >= 5 and <= 10 ms"


def test_certainty_asks_the_worse_end_of_the_interval() -> None:
    sure = Constraint("latency_ms", upper=10, lower=5, certain=True)
    near = Score("latency_ms", 9.0, "ms", "predicted", stderr=1.0)
    assert Constraint("latency_ms", upper=10).missed_by(near) == 0
    assert sure.missed_by(near) == pytest.approx(0.0645)
    assert sure.missed_by(replace(near, stderr=0.5)) == 0
    assert sure.missed_by(replace(near, value=5.5)) == pytest.approx(0.229)
    assert "whole 90 % interval" in str(sure)


def test_a_prediction_without_an_interval_is_never_certain() -> None:
    sure = Constraint("latency_ms", upper=10, certain=True)
    score = Score("latency_ms", 1.0, "ms", "predicted")
    assert sure.missed_by(score) == math.inf
    assert sure.missed_by(replace(score, source="measured")) == 0
    assert Constraint("macs", upper=2, certain=True).missed_by(Score("macs", 2, "MACs", "counted")) == 0


def test_a_problem_rejects_what_is_only_probably_within_a_certain_bound() -> None:
    def cheap(_: Architecture) -> tuple[Score, ...]:
        return (Score("latency_ms", 9.0, "ms", "predicted", stderr=1.0),)

    for certain in (False, True):
        bound = Constraint("latency_ms", upper=10, certain=certain)
        problem = Problem(ChainSpace(), (Objective("ap"),), (bound,), cheap=cheap)
        assert problem.feasible(problem.candidate(ChainSpace().corners()[0])) is not certain


def test_constraints_that_contradict_each_other_are_named() -> None:
    bounds = (Constraint("ap", lower=0.5), Constraint("ap", upper=0.4))
    with pytest.raises(InvalidConstraint, match=r"'ap' contradict: at least 0\.5 and at most 0\.4"):
        Problem(ChainSpace(), (Objective("ap"),), bounds)


def test_a_problem_needs_distinct_objectives_and_a_reference_that_fits() -> None:
    with pytest.raises(InvalidProblem, match="one to four"):
        Problem(ChainSpace(), ())
    with pytest.raises(InvalidProblem, match="own metric"):
        Problem(ChainSpace(), (Objective("ap"), Objective("ap")))
    with pytest.raises(InvalidProblem, match="1 values for 2"):
        Problem(ChainSpace(), (Objective("ap"), Objective("macs")), reference=(0.1,))


@pytest.mark.parametrize(
    "limits", [{}, {"evaluations": 0}, {"seconds": 0.0}, {"evaluations": 5, "flat": 0}, {"seconds": -1.0}]
)
def test_a_budget_of_nothing_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidBudget):
        Budget(**limits)
