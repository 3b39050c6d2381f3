"""What every file under `search/strategies` promises."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from search.budget import Budget
from search.errors import Infeasible, InvalidProblem
from search.evaluation import Evaluation, Genotype
from search.executors.local import LocalExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.result import ParetoFront
from search.strategies import exhaustive
from search.strategy import Strategy, load, names
from tests.unit.search import chain

SPACE = chain.ChainSpace()
QUICK: dict[str, dict[str, int]] = {
    "linas": {"population": 16, "inner": 160, "batch": 16},
    "nsga2": {"population": 12, "batch": 12},
    "evolution": {"population": 16, "sample": 4, "batch": 8},
    "surrogate": {"design": 8},
}
BUDGET = Budget(evaluations=36)


def strategy(name: str) -> Strategy:
    return load(name, **QUICK.get(name, {}))


def run(
    name: str, problem: Problem, budget: Budget = BUDGET, history: Sequence[Evaluation] = ()
) -> list[Evaluation]:
    with LocalExecutor(chain.make_accuracy) as executor:
        return list(search(problem, strategy(name), executor, budget, history))


@pytest.fixture(scope="module")
def runs() -> dict[str, list[Evaluation]]:
    return {name: run(name, chain.problem(seed=2)) for name in names()}


@pytest.mark.parametrize("name", names())
class TestStrategy:
    """The contract."""

    def test_it_spends_its_budget_on_distinct_members(
        self, name: str, runs: dict[str, list[Evaluation]]
    ) -> None:
        found = runs[name]
        assert len({entry.key for entry in found}) == len(found) == 36
        for entry in found:
            assert entry.genotype is not None
            assert SPACE.canonical(entry.genotype) == entry.genotype
            assert SPACE.architecture(entry.genotype).key == entry.key

    def test_same_history_and_seed_same_answer(self, name: str, runs: dict[str, list[Evaluation]]) -> None:
        for count in (0, 5, 20):
            history = runs[name][:count]
            asked = [self.ask(name, history, 6) for _ in range(2)]
            assert asked[0] == asked[1]

    def test_the_history_may_come_from_json(self, name: str, runs: dict[str, list[Evaluation]]) -> None:
        history = runs[name][:30]
        stored = [Evaluation.from_json(entry.to_json()) for entry in history]
        assert self.ask(name, stored, 4) == self.ask(name, history, 4)

    def test_nothing_known_is_asked_for(self, name: str, runs: dict[str, list[Evaluation]]) -> None:
        pending = [replace(entry, state="pending") for entry in runs[name][24:30]]
        failed = [replace(entry, state="failed", error="lost") for entry in runs[name][30:36]]
        history = [*runs[name][:24], *pending, *failed]
        asked = self.ask(name, history, 8)
        assert asked and len(asked) <= 8 and len(set(asked)) == len(asked)
        keys = {SPACE.architecture(genotype).key for genotype in asked}
        assert keys.isdisjoint(entry.key for entry in history)

    def test_a_resumed_search_continues(self, name: str, runs: dict[str, list[Evaluation]]) -> None:
        whole, cut = runs[name], 17
        rest = run(name, chain.problem(seed=2), history=whole[:cut])
        if load(name).generations:
            assert [entry.key for entry in whole[:cut] + rest] == [entry.key for entry in whole]
        assert len({entry.key for entry in whole[:cut] + rest}) == 36

    def test_it_meets_cheap_bounds(self, name: str) -> None:
        found = run(name, chain.problem(Constraint("macs", upper=80_000)), Budget(evaluations=20))
        assert len(found) == 20 and all(entry.value("macs") <= 80_000 for entry in found)

    def test_an_infeasible_problem_ends(self, name: str) -> None:
        problem = chain.problem(Constraint("macs", upper=1.0))
        assert self.ask(name, (), 4, problem) == []
        with pytest.raises(Infeasible):
            run(name, problem)

    def test_a_small_niche_is_exhausted_and_left(self, name: str) -> None:
        problem = chain.problem(Constraint("parameters", upper=300))
        able = [genotype for genotype in SPACE.everything() if problem.feasible(problem.candidate(genotype))]
        found = run(name, problem, Budget(evaluations=len(able) + 50))
        assert {entry.genotype for entry in found} == set(able)

    def test_it_accepts_one_and_three_objectives(self, name: str) -> None:
        for metrics in (("ap",), ("ap", "macs", "parameters")):
            objectives = tuple(Objective(metric) for metric in metrics)
            found = run(name, Problem(SPACE, objectives, seed=1, cheap=chain.cheap), Budget(evaluations=24))
            assert len(found) == 24

    @staticmethod
    def ask(
        name: str, history: Sequence[Evaluation], n: int, problem: Problem | None = None
    ) -> list[Genotype]:
        rng = np.random.default_rng([7, len(history)])
        return strategy(name).ask(history, n, rng, problem or chain.problem(seed=2))


def test_exhaustive_finds_the_true_front() -> None:
    problem = chain.problem(Constraint("macs", upper=40_000))
    found = run("exhaustive", problem, Budget(evaluations=5000))
    able = [genotype for genotype in SPACE.everything() if problem.feasible(problem.candidate(genotype))]
    assert {entry.genotype for entry in found} == set(able)
    assert exhaustive.everything(SPACE) == tuple(sorted(SPACE.everything()))


def test_exhaustive_refuses_a_large_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustive, "LARGEST", 100)
    with pytest.raises(InvalidProblem, match="4680 architectures"):
        run("exhaustive", chain.problem())


def test_the_default_beats_random_draws() -> None:
    volumes = {
        name: [
            ParetoFront.of(problem, run(name, problem)).hypervolume
            for problem in (chain.problem(seed=seed) for seed in range(3))
        ]
        for name in ("surrogate", "random")
    }
    assert min(volumes["surrogate"]) > max(volumes["random"])


def test_a_walk_of_reductions_shrinks() -> None:
    found = run("netadapt", chain.problem(seed=2))
    largest = SPACE.architecture(SPACE.corners()[1]).macs((64, 64))
    assert found[0].value("macs") == largest
    assert found[1].value("macs") <= 0.98 * largest
    means = [
        np.mean([entry.value("macs") for entry in step])
        for _, step in itertools.groupby(found, lambda e: e.generation)
    ]
    assert means == sorted(means, reverse=True)
