"""Thinning keeps what matters and stays even."""

import json

import numpy as np

from search.objectives import Constraint, Objective
from service.fronts import Points, rank
from service.ui import points


def many(number: int) -> Points:
    rng = np.random.default_rng(0)
    latency = rng.lognormal(1, 0.6, number)
    ap = 0.7 - 0.3 / latency + rng.normal(0, 0.02, number)
    ids = tuple(str(index) for index in range(number))
    origins = ("baseline:fpn", *["search"] * (number - 1))
    return Points(ids, tuple(range(number)), origins, {"latency_ms": latency, "ap": ap}, number)


def test_keeps_front_and_baselines_and_no_more_than_asked() -> None:
    ranking = rank(
        many(20_000), [Objective("latency_ms"), Objective("ap")], [Constraint("latency_ms", upper=6)]
    )
    kept = set(points.chosen(ranking, 500).tolist())
    assert set(ranking.front.tolist()) <= kept and 0 in kept
    assert 500 <= len(kept) <= 500 + len(ranking.front) + len(ranking.neighbours) + 1


def test_draws_everything_where_it_fits() -> None:
    ranking = rank(many(300), [Objective("latency_ms"), Objective("ap")], [])
    assert points.chosen(ranking, 500).tolist() == list(range(300))


def test_sparse_regions_stay_visible() -> None:
    costs = np.vstack([np.random.default_rng(1).normal(0, 1, (5000, 2)), [[50.0, 50.0]]])
    assert 5000 in points._thinned(costs, 400)


def test_a_point_without_a_metric_is_not_drawn() -> None:
    known = many(50)
    known.metrics["ap"][7] = np.nan  # type: ignore[index]
    ranking = rank(known, [Objective("latency_ms"), Objective("ap")], [])
    assert 7 not in points.chosen(ranking).tolist()


def test_no_side_is_left_out() -> None:
    costs = np.random.default_rng(2).uniform(0, 1, (50_000, 2))
    kept = costs[points._thinned(costs, points.MOST_SHOWN)]
    counts, _, _ = np.histogram2d(kept[:, 0], kept[:, 1], bins=5, range=[[0, 1], [0, 1]])
    assert len(kept) == points.MOST_SHOWN and counts.min() > 25 and counts.max() < 55


def test_a_point_stands_where_it_was_judged() -> None:
    scores = [{"metric": "latency_ms", "value": 2.0, "stderr": 0.1, "source": "predicted"}]
    later = [{"metric": "latency_ms", "value": 3.0, "stderr": 0.02, "source": "measured"}]
    predicted, measured = [2.0, 0.1, "predicted"], [3.0, 0.02, "measured"]
    assert points._scores(json.dumps(scores), later, {}) == {"latency_ms": [*predicted, *measured]}
    assert points._scores(json.dumps(scores), later, {"latency_ms": 3.0}) == {
        "latency_ms": [*measured, *predicted]
    }


def test_a_part_of_the_images_is_told_by_the_first_necks() -> None:
    of = lambda images: json.dumps([{"metric": "ap", "images": images, "of_images": 50}])  # noqa: E731
    plain = json.dumps([{"metric": "macs"}])
    assert points._partial([plain, of(20)]) == {"images": 20, "of_images": 50}
    assert points._partial([plain]) is None and points._partial([of(50)]) is None
