"""A new device starts from the nearest known one, and only where that helps."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluators.latency.features import totals
from evaluators.latency.lowering import Lowering
from evaluators.latency.predictor import Predictor
from evaluators.latency.transfer import fit_from, held_out_error, nearest, scaled, stored
from search_space.architecture import Architecture
from search_space.space import Space
from tests.unit.evaluators.latency.simulated import CHANNELS, IMAGE, Simulated

SPACE = Space.load({"space": "fusion_grid", "channels": CHANNELS, "widths": [32, 64, 96]})
TORCH = Lowering("torch")


def necks(count: int, seed: int) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [SPACE.architecture(SPACE.sample(rng)) for _ in range(count)]


def fitted(device: Simulated, count: int, prior: Predictor | None = None) -> Predictor:
    train = necks(count, 1)
    every = [totals(device.lower(neck, IMAGE)) for neck in train]
    times = [device.truth_ms(neck) for neck in train]
    return fit_from(prior, every, times, fingerprint=device.fingerprint(IMAGE), lowering=device.lowering)


def error(predictor: Predictor, device: Simulated) -> float:
    test = necks(60, 9)
    truth = np.array([device.truth_ms(neck) for neck in test])
    return float(np.median(np.abs(predictor.times(test) / truth - 1)))


def test_a_like_device_helps_where_data_are_few() -> None:
    known, slower = fitted(Simulated(), 60), Simulated(speed=2.5)
    assert error(fitted(slower, 12, known), slower) < 0.8 * error(fitted(slower, 12), slower)


def test_it_says_from_where_it_started_and_json_keeps_it() -> None:
    known, slower = fitted(Simulated(), 60), Simulated(speed=2.5)
    helped = fitted(slower, 12, known)
    assert helped.started_from == known.fingerprint and fitted(slower, 12).started_from is None
    assert Predictor.from_json(helped.to_json()) == helped


def test_predictors_of_a_folder_are_found_and_newer_ones_left_out(tmp_path: Path) -> None:
    known = fitted(Simulated(), 20)
    for name, text in {"one": known.to_json(), "later": '{"schema_version": 999}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "predictor.json").write_text(text)
    assert stored(tmp_path) == [known] and stored(tmp_path / "none") == []


def test_an_unlike_device_does_not_harm() -> None:
    rates = {"conv_dense": (0.0, 2.0, 0.0), "act": (0.0, 5.0, 0.3), "conv_pointwise": (0.0, 3.0, 0.1)}
    unlike, device = fitted(Simulated(rates=rates), 60), Simulated()
    chosen, fresh = fitted(device, 30, unlike), fitted(device, 30)
    assert held_out_error(chosen) <= held_out_error(fresh)


def test_scaling_keeps_proportions() -> None:
    known = fitted(Simulated(), 60)
    every = [known.totals(neck) for neck in necks(12, 3)]
    twice = scaled(known, every, (2 * known.predict_totals(every)).tolist())
    assert np.allclose(twice.predict_totals(every), 2 * known.predict_totals(every))


def test_the_nearest_is_of_the_same_kind_and_then_of_the_same_family() -> None:
    known = fitted(Simulated(), 20)
    here = replace(known.fingerprint, hardware="Acme Core 9 3.2 GHz")
    family = replace(known, fingerprint=replace(here, hardware="Acme Core 7 3.0 GHz"))
    other = replace(known, fingerprint=replace(here, hardware="Board", threads=4))
    foreign = replace(family, lowering=Lowering("onnxruntime", 16))
    assert nearest([other, foreign, family], here, TORCH) is family
    assert nearest([foreign], here, TORCH) is None
    assert nearest([], here, TORCH) is None
