"""The predictor finds a known law, is honest about its error, and never answers zero."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from evaluators.latency.errors import InvalidSample, NewerPredictor, PredictorMismatch, TooFewSamples
from evaluators.latency.intervals import Residuals, quantile
from evaluators.latency.kernels import Kernel
from evaluators.latency.predictor import Predictor
from search_space.architecture import Architecture, Edge, Node
from search_space.ops.act import Act
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE, Simulated

SPACE = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64, 96]})
DEVICE = Simulated()
FINGERPRINT = DEVICE.fingerprint(IMAGE)


def necks(count: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [SPACE.architecture(SPACE.sample(rng)) for _ in range(count)]


def fitted(count: int, noise: float = 0.0, seed: int = 0) -> Predictor:
    rng = np.random.default_rng(seed)
    train = necks(count, seed)
    times = [DEVICE.truth_ms(neck) * math.exp(noise * rng.standard_normal()) for neck in train]
    return Predictor.fit(train, times, fingerprint=FINGERPRINT, lowering=DEVICE.lowering)


@pytest.mark.parametrize(("count", "median"), [(12, 0.12), (20, 0.04), (50, 0.025)])
def test_a_known_law_is_found(count: int, median: float) -> None:
    test = necks(60, seed=99)
    truth = np.array([DEVICE.truth_ms(neck) for neck in test])
    errors = np.abs(fitted(count).times(test) / truth - 1)
    assert np.median(errors) < median


def test_more_width_never_costs_less() -> None:
    predictor = fitted(50, noise=0.05)
    rng = np.random.default_rng(5)
    for _ in range(20):
        chosen = SPACE.sample(rng)
        times = predictor.times([SPACE.architecture((width, *chosen[1:])) for width in range(3)])
        assert np.all(np.diff(times) >= 0)


def test_intervals_cover_what_they_promise_overall_and_for_slow_necks() -> None:
    test = necks(300, seed=99)
    rng = np.random.default_rng(3)
    truth = np.array([DEVICE.truth_ms(neck) * math.exp(0.05 * rng.standard_normal()) for neck in test])
    covered = np.zeros((5, len(test)))
    for seed in range(5):
        predictor = fitted(50, noise=0.05, seed=seed)
        bounds = [predictor.interval(neck) for neck in test]
        covered[seed] = [b is not None and b[0] <= t <= b[1] for b, t in zip(bounds, truth, strict=True)]
    assert 0.84 <= covered.mean() <= 0.97
    slowest = np.argsort(truth)[-30:]
    assert covered[:, slowest].mean() >= 0.75


def test_a_wider_promise_gives_a_wider_interval() -> None:
    predictor, neck = fitted(50, noise=0.05), necks(1, seed=9)[0]
    half, most = predictor.interval(neck, 0.5), predictor.interval(neck, 0.95)
    assert half is not None and most is not None
    assert most[0] < half[0] < predictor.predict(neck).value < half[1] < most[1]
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictor.interval(neck, 1.0)


def test_below_twenty_samples_there_is_no_interval() -> None:
    predictor, neck = fitted(19), necks(1, seed=9)[0]
    assert predictor.interval(neck) is None
    assert predictor.predict(neck).stderr is None
    assert fitted(20, noise=0.02).predict(neck).stderr is not None


def test_a_score_says_what_it_is() -> None:
    score = fitted(30, noise=0.02).predict(necks(1)[0])
    assert (score.metric, score.unit, score.source) == ("latency_ms", "ms", "predicted")


def test_an_unknown_kernel_costs_time_and_widens_the_interval() -> None:
    predictor, neck = fitted(50, noise=0.02), necks(1, seed=9)[0]
    node = neck.live[-1]
    extra = Node("extra", node.level, node.width, (Edge(node.id),), None, (Act(form="gelu"),))
    outputs = tuple((level, "extra" if level == node.level else source) for level, source in neck.outputs)
    strange = Architecture(neck.inputs, (*neck.nodes, extra), outputs)
    assert predictor.unsupported_kernels(neck) == ()
    assert predictor.unsupported_kernels(strange) == ("act_smooth",)
    assert predictor.predict(strange).value > predictor.predict(neck).value
    plain, wide = predictor.interval(neck), predictor.interval(strange)
    assert plain is not None and wide is not None
    assert wide[1] / wide[0] > plain[1] / plain[0]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_bad_time_is_refused(bad: float) -> None:
    train = necks(12)
    with pytest.raises(InvalidSample, match=r"neck 4.*positive"):
        times = [1.0] * 4 + [bad] + [1.0] * 7
        Predictor.fit(train, times, fingerprint=FINGERPRINT, lowering=DEVICE.lowering)


def test_too_few_samples_and_a_wrong_count_are_refused() -> None:
    with pytest.raises(TooFewSamples, match=r"9 measured necks.*at least 10"):
        Predictor.fit(necks(9), [1.0] * 9, fingerprint=FINGERPRINT, lowering=DEVICE.lowering)
    with pytest.raises(InvalidSample, match="11 times for 12 necks"):
        Predictor.fit(necks(12), [1.0] * 11, fingerprint=FINGERPRINT, lowering=DEVICE.lowering)


def test_json_gives_the_same_predictor_back() -> None:
    predictor = fitted(30, noise=0.02)
    again = Predictor.from_json(predictor.to_json())
    assert again == predictor
    assert again.predict(necks(1)[0]) == predictor.predict(necks(1)[0])


def test_a_file_of_schema_1_still_loads() -> None:
    record = json.loads(fitted(25, noise=0.02).to_json()) | {"schema_version": 1}
    del record["leverage"], record["residuals"]["factors"], record["residuals"]["typical"]
    old, neck = Predictor.from_json(json.dumps(record)), necks(1, seed=9)[0]
    assert old.leverage is None and old.interval(neck) is not None


def test_a_newer_file_is_refused() -> None:
    record = json.loads(fitted(12).to_json()) | {"schema_version": 99}
    with pytest.raises(NewerPredictor, match="99"):
        Predictor.from_json(json.dumps(record))


def test_it_refuses_another_setting() -> None:
    predictor = fitted(12)
    predictor.require(FINGERPRINT)
    with pytest.raises(PredictorMismatch, match=r"version was 1, is 2.*calibrate"):
        predictor.require(replace(FINGERPRINT, version="2"))


def test_fingerprints_differ_by_everything_that_matters() -> None:
    changes = [{"device": "x"}, {"hardware": "x"}, {"runtime": "x"}, {"version": "x"}, {"threads": 2}]
    changes += [{"precision": "float16"}, {"batch": 2}, {"image": (64, 64)}, {"lowering": 99}]
    keys = {replace(FINGERPRINT, **change).key for change in changes}  # type: ignore[arg-type]
    assert len(keys | {FINGERPRINT.key}) == len(changes) + 1


def test_residuals_of_equal_spread_give_the_conformal_quantile() -> None:
    errors = np.linspace(0.01, 0.19, 19)
    predicted = np.ones(19)
    residuals = Residuals.of(predicted, predicted * np.exp(errors))
    assert 0.17 < residuals.half_widths(np.zeros(1), 0.9)[0] < 0.19
    assert 0.09 < residuals.half_widths(np.zeros(1), 0.5)[0] < 0.11


def test_intervals_are_wider_at_both_ends_of_the_sizes_measured() -> None:
    predicted = np.geomspace(1, 100, 30)
    residuals = Residuals.of(predicted, predicted * np.exp(np.resize([0.05, -0.05], 30)))
    fastest, middle, slowest = residuals.half_widths(np.log([1.0, 10.0, 100.0]), 0.9)
    assert middle == pytest.approx(residuals.half_widths(np.log([9.0]), 0.9)[0], rel=0.01)
    assert 1.1 < fastest / middle < 1.25
    assert slowest == pytest.approx(fastest, rel=0.01)
    beyond = residuals.half_widths(np.log([0.1, 1000.0]), 0.9)
    assert beyond == pytest.approx([fastest, slowest])


def test_errors_that_grow_towards_an_end_widen_its_intervals_further() -> None:
    predicted, signs = np.geomspace(1, 100, 60), np.resize([1.0, -1.0], 60)
    even = Residuals.of(predicted, predicted * np.exp(0.05 * signs))
    worse = Residuals.of(predicted, predicted * np.exp(np.linspace(0.1, 0.02, 60) * signs))
    ratios = [
        widths[0] / widths[1] for widths in (r.half_widths(np.log([1.0, 10.0]), 0.9) for r in (even, worse))
    ]
    assert ratios[1] > 1.1 * ratios[0]


@pytest.mark.parametrize("count", [20, 30, 50, 140])
def test_intervals_cover_what_they_promise_over_the_draw_of_the_measured_necks(count: int) -> None:
    rng = np.random.default_rng(count)
    covered = [math.erf(quantile(np.abs(rng.standard_normal(count)), 0.9) / 2**0.5) for _ in range(2000)]
    assert 0.89 < np.mean(covered) < 0.91
    assert max(covered) < 1.0


def test_kernels_reject_negative_work() -> None:
    with pytest.raises(AssertionError):
        Kernel("x", "conv", -1, 0)
