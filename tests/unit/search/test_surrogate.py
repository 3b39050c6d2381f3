"""The model's parts against finite differences, numerical integrals and the space's own encoding."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kendalltau, norm
from threadpoolctl import threadpool_limits

from evaluators.score import Score
from search.evaluation import Genotype
from search.pareto import contribution, hypervolume
from search.strategies import surrogate
from search.surrogate.acquisition import below, planar, sampled
from search.surrogate.design import initial
from search.surrogate.encoding import Encoder
from search.surrogate.features import ground
from search.surrogate.gaussian import _Evidence, fit
from search.surrogate.inner import crowding, evolve
from search_space.architecture import Architecture
from search_space.space import Space
from tests.unit.search import chain

FRONT = np.array([(1.0, 3.0), (2.0, 2.0), (3.0, 0.5)])
CORNER = np.array([4.0, 4.0])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    "space", [chain.ChainSpace(), Space.load("fusion_grid")], ids=["chain", "fusion_grid"]
)
def test_many_encodings_are_those_of_the_space(space: Space, rng: np.random.Generator) -> None:
    genotypes = [space.sample(rng) for _ in range(50)]
    encoder = Encoder(space)
    assert np.array_equal(encoder.encode(genotypes), [space.encode(genotype) for genotype in genotypes])
    assert encoder.active(genotypes).tolist() == [list(space.active(genotype)) for genotype in genotypes]


def test_a_mutant_differs_in_one_gene_that_means_something(rng: np.random.Generator) -> None:
    space = chain.ChainSpace()
    parents = [(1, 0, 1, 0, 0, 1, 0, 0, 0)]
    for mutant in Encoder(space).mutants(parents, 60, rng):
        assert space.canonical(mutant) == mutant != parents[0]
        kept = min(mutant[0], parents[0][0]) + 1
        same = [mutant[place] == parents[0][place] for place in (0, *range(1, 1 + kept), *range(5, 5 + kept))]
        assert same.count(False) == 1


def test_the_gradient_of_the_evidence(rng: np.random.Generator) -> None:
    inputs = rng.random((15, 6))
    targets = np.sin(inputs @ np.arange(6.0)) + rng.normal(0, 0.1, 15)
    evidence = _Evidence(inputs, targets, np.array([0, 0, 1, 1, 2, 3]))
    theta = rng.normal(0, 0.4, 7)
    _, gradient = evidence(theta)
    for place in range(7):
        step = np.eye(7)[place] * 1e-5
        slope = (evidence(theta + step)[0] - evidence(theta - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_a_fit_ranks_what_it_has_not_seen_and_knows_where_it_is_sure(rng: np.random.Generator) -> None:
    inputs = rng.integers(0, 2, (90, 10)).astype(float)
    truth = inputs @ np.linspace(1, 2, 10) + 2 * inputs[:, 0] * inputs[:, 1]
    targets = truth + rng.normal(0, 0.05, 90)
    model = fit(inputs[:60], targets[:60], range(10))
    mean, sd = model.marginal(inputs[60:])
    assert kendalltau(mean, truth[60:]).statistic > 0.9
    assert np.mean(np.abs(mean - truth[60:]) < 3 * sd) > 0.9
    assert model.marginal(inputs[:60])[1].mean() < sd.mean()
    joint_mean, covariance = model.predict(inputs[60:])
    assert joint_mean == pytest.approx(mean) and np.sqrt(np.diag(covariance)) == pytest.approx(sd, rel=1e-3)


def test_constant_targets_can_be_fitted(rng: np.random.Generator) -> None:
    mean, _ = fit(rng.random((5, 3)), np.full(5, 2.0), range(3)).marginal(rng.random((2, 3)))
    assert mean == pytest.approx([2.0, 2.0])


def test_the_expected_shortfall_below_a_height() -> None:
    expected = quad(lambda y: (1.0 - y) * norm.pdf(y, 1.5, 0.7), -10, 1.0)[0]
    assert below(np.array(1.0), np.array(1.5), np.array(0.7)) == pytest.approx(expected)


@pytest.mark.parametrize("exact", [0.5, 1.0, 2.5, 3.9, 4.5])
@pytest.mark.parametrize("mean", [0.2, 1.8, 3.5])
def test_expected_improvement_is_the_integral_of_the_improvement(exact: float, mean: float) -> None:
    def gain(y: float) -> float:
        return contribution(FRONT, (exact, y), CORNER) * norm.pdf(y, mean, 0.6)

    expected = quad(gain, mean - 6, 4.0, limit=300, points=[0.5, 2.0, 3.0])[0]
    found = planar(FRONT, CORNER, np.array([exact]), np.array([mean]), np.array([0.6]))
    assert found[0] == pytest.approx(expected, abs=2e-4)


def test_without_an_archive_the_whole_box_is_improvement() -> None:
    found = planar(np.empty((0, 2)), CORNER, np.array([1.0]), np.array([0.0]), np.array([1e-9]))
    assert found[0] == pytest.approx(12.0)


def test_samples_agree_with_the_closed_sum(rng: np.random.Generator) -> None:
    exact, mean, sd = np.array([0.5, 2.5, 3.5]), np.array([2.0, 1.0, 0.2]), np.array([0.5, 0.5, 0.5])
    closed = planar(FRONT, CORNER, exact, mean, sd)
    spread = np.column_stack([np.zeros(3), sd])
    found = sampled(FRONT, CORNER, np.column_stack([exact, mean]), spread, rng)
    assert found == pytest.approx(closed, rel=0.15)


def test_crowding_prefers_the_ends_then_the_lonely() -> None:
    distance = crowding(np.array([(0.0, 4.0), (1.0, 3.0), (1.2, 2.8), (4.0, 0.0)]))
    assert np.isinf(distance[[0, 3]]).all() and distance[2] > distance[1]


def test_the_inner_search_finds_most_of_a_known_front(rng: np.random.Generator) -> None:
    space = chain.ChainSpace()

    def score(genotypes: list[tuple[int, ...]]) -> np.ndarray:
        graphs = [space.architecture(genotype) for genotype in genotypes]
        return np.array([(-chain.accuracy(graph)[0].value, chain.cheap(graph)[0].value) for graph in graphs])

    corner = (-0.3, 4e5)
    start = [space.sample(rng) for _ in range(60)]
    _, found = evolve(Encoder(space), score, start, rng, population=60, generations=20)
    true = hypervolume(score(space.everything()), corner)
    assert hypervolume(score(start), corner) < 0.98 * true < hypervolume(found, corner)


def test_the_design_spreads_over_the_costs() -> None:
    problem = chain.problem()
    base = ground(problem)
    chosen = initial(base, set(), np.empty((0, base.encode(problem.space.corners()).shape[1])), 10)
    assert len(set(chosen)) == 10 and set(problem.space.corners()) <= set(chosen)
    costs = sorted(problem.candidate(genotype).value("macs") for genotype in chosen)
    drawn = [entry.value("macs") for entry in base.drawn]
    shares = [np.mean(np.array(drawn) <= cost) for cost in costs]
    assert shares[2] < 0.3 and shares[-3] > 0.7


def test_guessed_costs_are_near_the_exact_ones(rng: np.random.Generator) -> None:
    problem = chain.problem(seed=4)
    base = ground(problem)
    fresh = [problem.space.sample(rng) for _ in range(50)]
    guessed = base.costs(base.guess(fresh, base.encode(fresh)))[:, 0]
    exact = [problem.candidate(genotype).value("macs") for genotype in fresh]
    assert np.median(np.abs(np.log(guessed) - np.log(exact))) < 0.1


def test_costs_that_many_have_in_one_call_are_not_guessed(rng: np.random.Generator) -> None:
    plain = chain.problem(seed=4)

    def macs(genotypes: Sequence[Genotype]) -> np.ndarray:
        return np.array([plain.candidate(genotype).value("macs") for genotype in genotypes])

    base = ground(replace(plain, many=(("macs", macs),)))
    fresh = [plain.space.sample(rng) for _ in range(20)]
    assert np.allclose(base.costs(base.guess(fresh, base.encode(fresh)))[:, 0], macs(fresh), rtol=1e-12)


def test_its_algebra_leaves_the_other_cores_to_the_workers(rng: np.random.Generator) -> None:
    during: list[int] = []

    def threads() -> list[int]:
        return [library["num_threads"] for library in surrogate.ALGEBRA.info()]

    def watched(architecture: Architecture) -> tuple[Score, ...]:
        during.extend(threads())
        return chain.cheap(architecture)

    problem = replace(chain.problem(), cheap=watched)
    with threadpool_limits(limits=2):
        surrogate.ask([], 4, rng, problem)
        after = threads()
    assert set(during) == {1} and set(after) == {2}
