"""Calibration on a simulated device: what it chooses, what it yields, what it refuses."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from evaluators.latency.calibrate import Calibration, calibrate, candidates, finished
from evaluators.latency.choice import Design, distinct, nearness
from evaluators.latency.errors import DriftedSession, TooFewSamples, UnknownDevice
from evaluators.latency.measuring import Progress, Protocol
from search_space.reference import build
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE, Simulated

SPACE = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64, 96]})


def calibrated(budget: int = 24, **options: object) -> Calibration:
    return finished(calibrate(Simulated(), SPACE, budget, image_size=IMAGE, **options))  # type: ignore[arg-type]


def test_it_predicts_necks_that_it_never_measured() -> None:
    done, device = calibrated(60), Simulated()
    rng = np.random.default_rng(77)
    test = [SPACE.architecture(SPACE.sample(rng)) for _ in range(60)]
    truth = np.array([device.truth_ms(neck) for neck in test])
    assert np.median(np.abs(done.predictor.times(test) / truth - 1)) < 0.04
    assert len({neck.key for neck in done.architectures}) == 60 == len(done.times_ms)
    assert [len(session.measured) for session in done.sessions] == [50, 10]
    assert done.noise_floor < 0.03


def test_the_corners_and_what_is_asked_for_are_measured() -> None:
    baseline = build("fpn", CHANNELS, width=64)
    keys = {neck.key for neck in calibrated(also=[baseline]).architectures}
    corners = {SPACE.architecture(genotype).key for genotype in SPACE.corners()}
    assert corners | {baseline.key} <= keys


def test_progress_grows_to_the_budget() -> None:
    *events, last = calibrate(
        Simulated(), SPACE, 24, image_size=IMAGE, protocol=Protocol(visits=4, most_visits=4)
    )
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 24 == events[-1].total  # type: ignore[union-attr]
    assert isinstance(last, Calibration)


def test_a_device_that_changes_between_sittings_is_measured_again() -> None:
    class Changing(Simulated):
        sittings = 0

        def fingerprint(self, *args: object) -> object:  # type: ignore[override]
            self.sittings += 1
            rates = {"conv_depthwise": (0.5, 0.2, 0.05)} if self.sittings == 1 else {}
            self.rates = {**self.rates, **rates}
            return super().fingerprint(*args)  # type: ignore[arg-type]

    device = Changing()
    done = finished(calibrate(device, SPACE, 54, image_size=IMAGE))
    assert [len(session.measured) for session in done.sessions] == [50, 4]
    truth = [device.truth_ms(neck) for neck in done.architectures]
    assert done.times_ms == pytest.approx(truth, rel=0.05)


def test_a_device_that_keeps_changing_is_refused() -> None:
    class Restless(Simulated):
        def fingerprint(self, *args: object) -> object:  # type: ignore[override]
            macs, moved, count = self.rates["conv_depthwise"]
            self.rates = {**self.rates, "conv_depthwise": (1.5 * macs, 1.5 * moved, 1.5 * count)}
            return super().fingerprint(*args)  # type: ignore[arg-type]

    with pytest.raises(DriftedSession, match="sentinel 2 moved"):
        finished(calibrate(Restless(), SPACE, 54, image_size=IMAGE))


def test_a_time_of_interest_draws_the_later_necks() -> None:
    def near(budget_ms: float | None) -> int:
        times = np.array(calibrated(40, budget_ms=budget_ms).times_ms[20:])
        return int((np.abs(np.log(times / 2.0)) < 0.4).sum())

    assert near(2.0) > near(None)


def test_the_same_seed_chooses_the_same_necks() -> None:
    first, second, other = (calibrated(12, seed=seed).architectures for seed in (1, 1, 2))
    assert first == second != other


def test_too_small_a_budget_or_space_is_refused() -> None:
    with pytest.raises(TooFewSamples, match=r"budget of 9.*at least 10"):
        next(calibrate(Simulated(), SPACE, 9, image_size=IMAGE))
    tiny = Space.load({**SPACE.spec(), "widths": [32], "stages": [1], "paths": ["skip"]})
    with pytest.raises(TooFewSamples, match="the space has 1 necks"):
        next(calibrate(Simulated(), tiny, 12, image_size=IMAGE))


def test_an_unknown_device_is_named_with_near_matches() -> None:
    with pytest.raises(UnknownDevice, match=r"'torch_cpi'.*'torch_cpu'"):
        next(calibrate("torch_cpi", SPACE, 12))


def test_candidates_are_distinct() -> None:
    keys = [neck.key for neck in candidates(SPACE, 0)]
    assert len(keys) == len(set(keys)) > 300


def test_designs_take_the_best_pair() -> None:
    features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.5, 0.5]])
    best = max(itertools.combinations(range(4), 2), key=lambda pair: np.linalg.det(features[list(pair)]) ** 2)
    design = Design(features, np.ones(4))
    assert sorted(design.extend(2)) == list(best) == [0, 2]
    assert len(design.extend(9)) == 2


def test_taking_a_candidate_makes_the_model_surer_of_it() -> None:
    features = np.random.default_rng(0).uniform(0, 1, (20, 5))
    design = Design(features, np.ones(20))
    before = design.variances()
    design.take(3)
    after = design.variances()
    assert after[3] < before[3]
    assert np.all(after <= before + 1e-12)


def test_nearness_is_highest_at_the_budget() -> None:
    weights = nearness(np.array([1.0, 2.0, 8.0]), 2.0)
    assert weights.argmax() == 1 and weights[1] == 3 and weights[2] == pytest.approx(1, abs=0.01)
    assert nearness(np.array([1.0, 2.0]), None).tolist() == [1, 1]


def test_distinct_keeps_the_first() -> None:
    assert distinct(["a", "b", "a", "c", "b"]) == [0, 1, 3]


def test_a_calibration_can_start_from_a_similar_device() -> None:
    known = calibrated(40).predictor
    slower = Simulated(speed=1.5)
    rng = np.random.default_rng(5)
    test = [SPACE.architecture(SPACE.sample(rng)) for _ in range(40)]
    truth = np.array([slower.truth_ms(neck) for neck in test])
    done = finished(calibrate(slower, SPACE, 16, image_size=IMAGE, prior=replace(known, base=known.base)))
    assert np.median(np.abs(done.predictor.times(test) / truth - 1)) < 0.05
