"""Errors grow with a neck's distance from the measured ones, and intervals know."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from evaluators.latency.fit import fit_relative, held_out
from evaluators.latency.intervals import Residuals
from evaluators.latency.leverage import Leverage

RNG = np.random.default_rng(4)
FEATURES = np.column_stack([np.ones(60), RNG.uniform(1, 10, (60, 3))])
TRUTH = FEATURES @ np.array([0.5, 0.2, 0.4, 0.1])
FOUND = Leverage.of(FEATURES, TRUTH, 0.0)


def test_far_from_what_was_measured_errors_are_larger() -> None:
    far = np.array([[1.0, 1.0, 1.0, 200.0]])
    assert FOUND.factors(far, far @ np.array([0.5, 0.2, 0.4, 0.1]))[0] > 2
    near = FOUND.factors(FEATURES, TRUTH)
    assert np.all(near >= 1) and near.max() < 1.2


def test_factors_are_those_of_least_squares() -> None:
    rows = FEATURES / TRUTH[:, None]
    hat = rows @ np.linalg.pinv(rows)
    np.testing.assert_allclose(FOUND.factors(FEATURES, TRUTH) ** 2, 1 + np.diag(hat), rtol=1e-3)
    errors = [_left_out_spread(index) for index in (0, 30)]
    np.testing.assert_allclose(FOUND.left_out_factors(FEATURES, TRUTH)[[0, 30]], errors, rtol=0.1)


def _left_out_spread(index: int) -> float:
    """Return the spread of a neck's left-out error over draws of the noise, in units of the noise."""
    rng = np.random.default_rng(index)
    rest, errors = np.arange(60) != index, []
    for _ in range(2000):
        noisy = 1 + 0.01 * rng.standard_normal(60)
        rows = FEATURES / TRUTH[:, None]
        solution = np.linalg.lstsq(rows[rest], noisy[rest], rcond=None)[0]
        errors.append(noisy[index] - rows[index] @ solution)
    return float(np.std(errors)) / 0.01


def test_it_survives_json_without_its_least_digits() -> None:
    again = Leverage.from_record(json.loads(json.dumps(asdict(FOUND))))
    assert again == FOUND


@pytest.mark.parametrize("factors", [np.ones(20), np.array([*[1.0] * 15, *[5.0] * 5])])
def test_necks_measured_for_being_extreme_do_not_widen_ordinary_intervals(
    factors: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    rng = np.random.default_rng(6)
    predicted = np.exp(rng.uniform(0, 2, 20))
    noise = 0.05 * rng.standard_normal(20)
    plain = Residuals.of(predicted, predicted * np.exp(noise))
    found = Residuals.of(predicted, predicted * np.exp(noise * factors), factors)
    at = np.linspace(0, 2, 5)
    np.testing.assert_allclose(found.half_widths(at, 0.9), plain.half_widths(at, 0.9), rtol=1e-9)
    assert np.all(found.half_widths(at, 0.9, 3.0) == 3 * found.half_widths(at, 0.9))


def test_chosen_necks_say_nothing_of_the_spread_at_their_size_where_enough_were_drawn() -> None:
    predicted = np.exp(np.linspace(0, 2, 40))
    errors = np.where(np.arange(40) < 20, 0.02, 0.2)
    drawn = [*[True] * 20, *[False] * 20]
    at = np.array([0.0, 2.0])
    found = Residuals.of(predicted, predicted * np.exp(errors), typical=drawn)
    assert found.ordinary.tolist() == drawn
    assert found.spread(at).max() < 0.025
    assert found.half_widths(at, 0.9).min() > 0.15, "their errors count in the quantile"
    few = Residuals.of(predicted, predicted * np.exp(errors), typical=[*drawn[1:], False])
    assert few.ordinary.all() and few.spread(at)[1] > 0.1
    assert not found.without(39).ordinary[20:].any() and found.without(0).ordinary.all()


def test_a_fit_that_leaves_a_neck_out_is_what_the_factors_stand_for() -> None:
    rng = np.random.default_rng(8)
    times = TRUTH * np.exp(0.05 * rng.standard_normal(60))
    predicted = held_out(FEATURES, times, fit_relative, parts=60)
    scaled = np.log(times / predicted) / FOUND.left_out_factors(FEATURES, TRUTH)
    assert 0.04 < scaled.std() < 0.06
