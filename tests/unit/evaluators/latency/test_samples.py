"""Labels: made of every raw sample, blind to slow phases, with an honest error."""

import math

import numpy as np
import pytest

from evaluators.latency.errors import InvalidSample
from evaluators.latency.samples import (
    Measurement,
    Visit,
    label,
    measurements,
    noise_floor,
    normaliser,
    reference_level,
)


def visit(item: int, at_s: float, time_ms: float, reference_ms: float = 1.0) -> Visit:
    return Visit(item, at_s, (time_ms * 1.05, time_ms, time_ms * 1.2), (reference_ms, reference_ms * 1.1))


def session(truth: dict[int, float], *, rounds: int = 12, noise: float = 0.02, seed: int = 0) -> list[Visit]:
    """Return visits in which every third round is 40 % slow, reference included."""
    rng = np.random.default_rng(seed)
    made: list[Visit] = []
    for number in range(rounds):
        slow = 1.4 if number % 3 == 2 else 1.0
        for item, time_ms in truth.items():
            at_s = len(made) * 0.01
            made.append(visit(item, at_s, time_ms * slow * (1 + noise * rng.exponential()), slow))
    return made


def test_a_steady_neck_is_labelled_by_its_lowest_run() -> None:
    found = measurements([visit(0, number, 2.0) for number in range(8)])
    assert found[0].latency_ms == pytest.approx(2.0)
    assert found[0].stderr_ms == 0
    assert found[0].settled


def test_slow_phases_do_not_reach_the_label_but_reach_the_quantiles() -> None:
    truth = {0: 1.0, 1: 4.0, 2: 0.3}
    found = measurements(session(truth))
    for item, time_ms in truth.items():
        assert found[item].latency_ms == pytest.approx(time_ms, rel=0.03)
        assert found[item].p90_ms > 1.3 * time_ms
        assert found[item].p10_ms <= found[item].p50_ms <= found[item].p90_ms


def test_the_label_follows_the_reference_and_not_the_clock() -> None:
    twice = [
        Visit(v.item, v.at_s, v.runs_ms, tuple(2 * x for x in v.reference_ms)) for v in session({0: 1.0})
    ]
    assert measurements(twice)[0].latency_ms == pytest.approx(measurements(session({0: 1.0}))[0].latency_ms)


def test_visits_may_come_in_any_order() -> None:
    visits = session({0: 1.0, 1: 2.0})
    shuffled = [visits[index] for index in np.random.default_rng(1).permutation(len(visits))]
    assert measurements(shuffled) == measurements(visits)


def test_a_visit_is_normalised_by_the_references_on_both_sides() -> None:
    visits = [visit(0, number, 1.0, 4.0 if number == 4 else 1.0) for number in range(9)]
    assert normaliser(visits).tolist() == [1.0] * 3 + [2.0] * 2 + [1.0] * 4
    assert reference_level(visits) == 1.0


def test_a_few_disturbed_references_do_not_move_the_label() -> None:
    visits = [visit(0, number, 1.0, 3.0 if number in (2, 7) else 1.0) for number in range(11)]
    assert measurements(visits)[0].latency_ms == pytest.approx(1.0)


def test_a_neighbour_that_wakes_up_halfway_is_allowed_for() -> None:
    speeds = [1.0, 1.0, 1.8, 1.8] * 4
    half = [math.sqrt(a * b) for a, b in zip(speeds, [*speeds[1:], speeds[-1]], strict=True)]
    visits = [
        visit(0, i, 5.0 * slow, speed) for i, (slow, speed) in enumerate(zip(half, speeds, strict=True))
    ]
    assert measurements(visits)[0].latency_ms == pytest.approx(5.0)


def test_the_label_is_the_mean_of_the_plain_and_the_scaled_times() -> None:
    lowest, scale = np.arange(1.0, 12.0), np.full(11, 3.0)
    assert label(lowest, scale) == pytest.approx(math.sqrt(2.0 * 3.0 * 5.0))  # 10th and 40th percentile
    both = label(np.stack([lowest, 2 * lowest]), np.stack([scale, scale]))
    assert both == pytest.approx(np.array([1.0, 2.0]) * math.sqrt(30.0))


def test_a_noisy_neck_does_not_settle() -> None:
    rng = np.random.default_rng(0)
    visits = [visit(0, number, float(rng.uniform(1, 2))) for number in range(8)]
    measured = measurements(visits)[0]
    assert not measured.settled
    assert measured.stderr_ms > 0.02 * measured.latency_ms


def test_one_visit_has_no_finite_error() -> None:
    assert measurements([visit(0, 0, 1.0)])[0].stderr_ms == math.inf


def test_the_noise_floor_grows_with_the_noise() -> None:
    quiet, loud = (
        noise_floor(measurements(session({0: 1.0, 1: 2.0}, noise=noise))) for noise in (0.001, 0.2)
    )
    assert 0 <= quiet < 0.002 < loud < 0.2
    assert math.isnan(noise_floor(measurements([visit(0, 0, 1.0)])))


@pytest.mark.parametrize("time_ms", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_not_positive_is_refused(time_ms: float) -> None:
    with pytest.raises(InvalidSample, match=r"neck 3, runs_ms\[1\].*positive"):
        Visit(3, 0.0, (1.0, time_ms), (1.0,))
    with pytest.raises(InvalidSample, match=r"reference_ms\[0\]"):
        Visit(3, 0.0, (1.0,), (time_ms,))


def test_waits_for_a_core_are_taken_off_the_label_only() -> None:
    visits = [Visit(0, number, (3.0, 4.0), (2.0,), (1.0, 0.5), (1.0,)) for number in range(6)]
    measured = measurements(visits)[0]
    assert measured.latency_ms == pytest.approx(2.0)
    assert reference_level(visits) == 1.0
    assert measured.p50_ms == 3.5


@pytest.mark.parametrize("waits", [(-0.1, 0.0), (0.0,), (0.0, 2.0)])
def test_waits_that_do_not_fit_their_runs_are_refused(waits: tuple[float, ...]) -> None:
    with pytest.raises(InvalidSample, match="do not fit"):
        Visit(0, 0.0, (1.0, 2.0), (1.0,), waits)


def test_a_visit_without_runs_is_refused() -> None:
    with pytest.raises(InvalidSample, match="no runs_ms"):
        Visit(0, 0.0, (), (1.0,))


@pytest.mark.parametrize(
    "record", [{}, {"item": 0}, {"item": 0, "at_s": 0, "runs_ms": 1, "reference_ms": [1]}]
)
def test_a_malformed_record_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(InvalidSample, match="not a visit"):
        Visit.from_record(record)


def test_a_measurement_survives_json() -> None:
    import json

    measured = measurements(session({0: 1.0}))[0]
    assert Measurement.from_record(json.loads(json.dumps(measured.to_record()))) == measured
