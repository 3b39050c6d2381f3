"""One search for several devices: a latency objective each, by the device's own predictor."""

import numpy as np
import pytest

from evaluators.score import Score
from search.budget import Budget
from search.executors.local import LocalExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.pareto import front
from search.problem import Problem
from search.result import ParetoFront
from search_space.architecture import Architecture
from tests.unit.search import chain


def on_both(graph: Architecture) -> tuple[Score, ...]:
    """A board that is paid by the layer, and a phone that is paid by the weight."""
    board, phone = 0.5 * len(graph.nodes), graph.parameters() / 1e4
    return (
        Score("latency_ms@board", board, "ms", "predicted", 0.02),
        Score("latency_ms@phone", phone, "ms", "predicted", 0.02),
    )


BOTH = Problem(
    chain.ChainSpace(),
    (Objective("ap"), Objective("latency_ms@board"), Objective("latency_ms@phone")),
    (Constraint("latency_ms@phone", upper=2.0),),
    cheap=on_both,
    reference=(0.2, 2.5, 2.0),
)


@pytest.mark.parametrize("strategy", ["surrogate", "nsga2"])
def test_each_device_is_an_objective_of_its_own(strategy: str) -> None:
    with LocalExecutor(chain.make_accuracy) as executor:
        history = list(search(BOTH, strategy, executor, Budget(evaluations=20)))
    found = ParetoFront.of(BOTH, history)
    values = np.array([[entry.value(o.metric) * o.sign for o in BOTH.objectives] for entry in found.members])
    assert len(front(values)) == len(values) > 2
    assert len({entry.value("latency_ms@board") for entry in found.members}) > 1
    assert all(entry.value("latency_ms@phone") <= 2.0 for entry in history)
    assert found.hypervolume > 0
