"""How the default strategy weighs what it does not know, and the correlation that its process has."""

import numpy as np
import pytest

from search.budget import Budget
from search.evaluation import Evaluation
from search.executors.local import LocalExecutor
from search.history import inside
from search.loop import search
from search.pareto import hypervolume
from search.strategies.surrogate import CURIOUS, _Choice
from search.surrogate.features import ground
from search.surrogate.gaussian import matern
from search.surrogate.model import Model
from tests.unit.search import chain


def test_the_correlation_falls_from_one_by_its_slope() -> None:
    squares = np.array([0.01, 0.5, 4.0, 30.0])
    value, slope = matern(squares)
    step = (matern(squares + 1e-6)[0] - matern(squares - 1e-6)[0]) / 2e-6
    assert slope == pytest.approx(step, rel=1e-5)
    assert matern(np.zeros(1))[0] == pytest.approx([1.0]) and np.all(np.diff(value) < 0)


def test_what_is_merely_unknown_counts_less_the_more_was_evaluated() -> None:
    problem = chain.problem()
    with LocalExecutor(lambda: chain.accuracy) as executor:
        history: list[Evaluation] = list(search(problem, "random", executor, Budget(evaluations=50)))
    assert problem.reference is not None
    rng = np.random.default_rng(0)
    pool = [problem.space.sample(rng) for _ in range(20)]
    for count, share in ((15, 1.0), (40, CURIOUS / 40), (50, CURIOUS / 50)):
        rows = inside(history[:count], problem)
        model = Model.of(ground(problem), rows)
        assert _Choice(model, pool, rows, [], problem.reference).curiosity == pytest.approx(share)


def test_a_known_front_is_found_in_few_evaluations() -> None:
    problem = chain.problem(seed=3)
    corner = (-0.3, 4e5)
    with LocalExecutor(lambda: chain.accuracy) as executor:
        found = list(search(problem, "surrogate", executor, Budget(evaluations=40)))
    space = chain.ChainSpace()
    graphs = [space.architecture(genotype) for genotype in space.everything()]
    points = np.array([(-chain.accuracy(g)[0].value, chain.cheap(g)[0].value) for g in graphs])
    reached = hypervolume([problem.costs(entry) for entry in found], corner)
    assert reached > 0.99 * hypervolume(points, corner)
