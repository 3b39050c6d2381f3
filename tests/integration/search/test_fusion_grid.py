"""The search over a space that ships: baselines inside, fronts of real graphs."""

import math

from evaluators.score import Score
from search.baselines import baselines
from search.budget import Budget
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.result import ParetoFront
from search_space import reference
from search_space.architecture import Architecture
from search_space.space import Space

SPACE = Space.load("fusion_grid")


def cheap(architecture: Architecture) -> tuple[Score, ...]:
    return (
        Score("macs", float(architecture.macs((128, 128))), "MACs", "counted"),
        Score("parameters", float(architecture.parameters()), "parameters", "counted"),
    )


def accuracy(architecture: Architecture) -> tuple[Score, ...]:
    """More parameters a node, deeper graphs: better, with diminishing returns."""
    depth = math.log(len(architecture.live))
    return (Score("ap", 1 - math.exp(-depth - math.log(architecture.parameters()) / 20), "1", "inherited"),)


PROBLEM = Problem(
    SPACE, (Objective("ap"), Objective("macs")), (Constraint("macs", upper=2e7),), seed=1, cheap=cheap
)


def test_published_necks_are_inside_or_named_with_a_reason() -> None:
    inside, outside = baselines(SPACE)
    names = {entry.name for entry in inside}
    assert {"fpn", "pafpn", "bifpn"} <= names
    assert names.isdisjoint(entry.name for entry in outside)
    assert set(reference.files()) <= names | {entry.name for entry in outside}
    assert all(entry.reason for entry in outside)
    for entry in inside:
        assert entry.genotype is not None
        assert SPACE.architecture(entry.genotype).key == entry.architecture.key


def test_a_search_of_real_necks_keeps_its_bound_and_contains_the_baselines() -> None:
    inside, outside = baselines(SPACE)
    with LocalExecutor(lambda: accuracy) as executor:
        found = list(search(PROBLEM, "nsga2", executor, Budget(evaluations=60), baselines=inside))
    front = ParetoFront.of(PROBLEM, found, outside=outside)
    assert {entry.origin for entry in front.baselines} == {entry.origin for entry in inside}
    assert front.members and all(entry.value("macs") <= 2e7 for entry in front.members)
    assert all(Evaluation.from_json(entry.to_json()) == entry for entry in front.members)
    assert front.reference[1] == 2e7 and front.hypervolume > 0
