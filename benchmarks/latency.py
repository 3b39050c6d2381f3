"""Latency: prediction error, interval coverage and speed on this machine's own runtimes, one thread.

Random necks of `fusion_grid` and `merging_cells` and the reference necks. For each runtime and each of three
seeds a session measures 200 held-out necks and 50 necks as a calibration chooses them from others: 20 by
D-optimality and 30 at random; 10 and 10 of them stand for the smaller budget. Isolated kernels are measured
in a session of their own. Then searches with a bound are run, and their fronts measured again.

It takes 30 to 45 minutes in parts (`--part NAME` measures one and keeps it); one that was interrupted goes on
with the parts that it has not measured yet. The last whole one's sessions stay in `artifacts/latency/last`.
On a machine that does other work it should run at raised priority (`nice -n -20`): waiting for the core is
taken off times, but not what others take of the caches.
"""

import argparse
import json
import os
import pickle
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Protocol as Interface

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingRegressor

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.isolated_kernels import alone, distinct, signature
from benchmarks.latency_bound import bounded
from benchmarks.latency_coverage import by_size, fitted, over_splits
from benchmarks.latency_necks import (
    BUDGETS,
    DRAWN,
    IMAGE,
    SEEDS,
    SPACE_NAMES,
    SPACES,
    Floats,
    Neck,
    Trial,
    chosen_to_train,
    space_of,
    trial,
)
from evaluators import devices
from evaluators.latency.calibrate import Calibration, calibrate, expected_times
from evaluators.latency.features import totals
from evaluators.latency.fit import fit_relative
from evaluators.latency.genotypes import GenotypePredictor
from evaluators.latency.measuring import finished, load_average, measure
from evaluators.latency.memory import MemoryPredictor, calibrate_memory
from evaluators.latency.predictor import Predictor, fit_totals
from evaluators.latency.session import Protocol
from search_space.architecture import Architecture
from search_space.space import Genotype, Space

PARTS = Path("artifacts/latency")
RUNTIMES = ("onnxruntime_cpu", "torch_cpu")
TARGETS = {
    **{f"{name}_50_median_error": Target("<=", 0.04) for name in RUNTIMES},
    **{f"{name}_50_within_10": Target(">=", 0.90) for name in RUNTIMES},
    **{f"{name}_50_rho": Target(">=", 0.99) for name in RUNTIMES},
    **{f"{name}_20_median_error": Target("<=", 0.06) for name in RUNTIMES},
    **{f"{name}_50_coverage": Target(">=", 0.86) for name in RUNTIMES},
    **{f"{name}_50_coverage_most": Target("<=", 0.95) for name in RUNTIMES},
    **{f"{name}_50_coverage_worst_decile": Target(">=", 0.80) for name in RUNTIMES},
    **{f"{name}_calibration_s": Target("<=", 120.0) for name in RUNTIMES},
    **{f"predictions_{name}_per_s": Target(">=", 20_000.0) for name in SPACE_NAMES},
    "front_within_bound": Target(">=", 1.0),
}


def errors(predicted: Floats, truth: Floats) -> Floats:
    """Return relative errors."""
    return np.abs(predicted / truth - 1)


def accuracy(trials: Sequence[Trial], name: str) -> list[Figure]:
    """Return error, rank correlation and coverage for each budget, mean and range over the seeds."""
    figures: list[Figure] = []
    floors = " ".join(f"{found.session.noise_floor:.1%}" for found in trials)
    loads = " ".join(f"{found.session.load:.1f}" for found in trials)
    for budget in BUDGETS:
        models = [fitted(found, range(budget), DRAWN[:budget]) for found in trials]
        predicted = [
            model.predict_totals(found.held_out) for model, found in zip(models, trials, strict=True)
        ]
        both = [*zip(predicted, (found.truth for found in trials), strict=True)]
        wrong = [errors(times, truth) for times, truth in both]
        ranks = [spearmanr(times, truth).statistic for times, truth in both]
        rows = {
            "median_error": [float(np.median(e)) for e in wrong],
            "within_5": [float((e < 0.05).mean()) for e in wrong],
            "within_10": [float((e < 0.10).mean()) for e in wrong],
            "rho": [float(rank) for rank in ranks],
        }
        detail = f"noise floors {floors}, loads {loads}"
        figures += [_spread(f"{name}_{budget}_{key}", values, detail) for key, values in rows.items()]
        figures += _coverage(trials, models, predicted, f"{name}_{budget}")
    return figures


def _spread(name: str, values: Sequence[float], detail: str) -> Figure:
    return Figure(name, float(np.mean(values)), "1", detail=detail, low=min(values), high=max(values))


def _coverage(
    trials: Sequence[Trial], models: Sequence[Predictor], predicted: Sequence[Floats], name: str
) -> list[Figure]:
    covered, by_decile, widths = [], [], []
    for found, model, times in zip(trials, models, predicted, strict=True):
        half = model.half_widths(found.held_out, times, 0.9)
        held = np.abs(np.log(found.truth / times)) <= half
        covered.append(float(held.mean()))
        by_decile.append(by_size(held, found.truth))
        widths.append(float(np.median(half)))
    deciles = np.mean(by_decile, axis=0)
    overall = _spread(f"{name}_coverage", covered, "nominal 0.90")
    listed = " ".join(f"{value:.2f}" for value in deciles)
    tenth = sum(len(found.test) for found in trials) // 10
    return [
        overall,
        Figure(f"{name}_coverage_most", overall.value, "1", detail="the same, held to its upper target"),
        Figure(
            f"{name}_coverage_worst_decile",
            min(deciles),
            "1",
            detail=f"{tenth} necks a decile, fastest to slowest: {listed}",
        ),
        _spread(f"{name}_half_width", widths, "median half-width of the 90 % intervals, in log time"),
    ]


def baselines(trials: Sequence[Trial], name: str) -> list[Figure]:
    """Return the errors of MACs alone and of boosted trees, from the same data."""
    figures: list[Figure] = []
    for budget in BUDGETS:
        by_macs, by_trees = [], []
        for seed, found in enumerate(trials):
            labels, train = found.training_labels[:budget], found.train[:budget]
            line = fit_relative(np.column_stack([np.ones(budget), _macs(train)]), labels)
            by_macs.append(errors(line[0] + line[1] * _macs(found.test), found.truth))
            by_trees.append(_tree_errors(train, labels, found.test, found.truth, seed))
        for label, wrong in (("macs", by_macs), ("trees", by_trees)):
            values = [float(np.median(e)) for e in wrong]
            within = np.mean([(e < 0.1).mean() for e in wrong])
            figures.append(
                _spread(f"{name}_{budget}_{label}_median_error", values, f"{within:.0%} within 10 %")
            )
    return figures


def _macs(necks: Sequence[Neck]) -> Floats:
    return np.array([neck.architecture.macs(IMAGE) * 1e-6 for neck in necks])


def _tree_errors(
    train: Sequence[Neck], labels: Floats, test: Sequence[Neck], truth: Floats, seed: int
) -> Floats:
    """Return errors on the necks that have an encoding; reference necks have none."""
    mine = [(n.encoding, t) for n, t in zip(train, labels, strict=True) if n.encoding is not None]
    theirs = [(n.encoding, t) for n, t in zip(test, truth, strict=True) if n.encoding is not None]
    model = GradientBoostingRegressor(n_estimators=300, max_depth=3, subsample=0.8, random_state=seed)
    model.fit(np.array([e for e, _ in mine]), np.log([t for _, t in mine]))
    predicted = np.exp(model.predict(np.array([e for e, _ in theirs])))
    return errors(predicted, np.array([t for _, t in theirs]))


def isolated(found: Trial, name: str, *, quick: bool) -> list[Figure]:
    """Return the error of the sum of kernels measured alone."""
    necks = [neck.architecture for neck in found.test[: 10 if quick else 40]]
    kernels = {key: alone(key, IMAGE) for key in distinct(necks, IMAGE)}
    runnable = {key: made for key, made in kernels.items() if made is not None}
    protocol = Protocol(visits=4, most_visits=4, runs=2, seconds=60)
    session = finished(
        measure(found.device, list(runnable.values()), image_size=IMAGE, protocol=protocol)
    ).at_reference(found.session.reference_ms)
    times = dict(zip(runnable, (entry.latency_ms for entry in session.measured), strict=True))
    summed = np.array([sum(times.get(signature(step), 0.0) for step in neck.steps(IMAGE)) for neck in necks])
    wrong = errors(summed, found.truth[: len(necks)])
    bias = float(np.median(summed / found.truth[: len(necks)] - 1))
    left_out = len(kernels) - len(runnable)
    within = (wrong < 0.1).mean()
    detail = f"{len(runnable)} kernels, {left_out} left out, {within:.0%} within 10 %, bias {bias:+.0%}"
    return [Figure(f"{name}_isolated_median_error", float(np.median(wrong)), "1", detail=detail)]


def calibration(name: str) -> Figure:
    """Return the seconds that a calibration with 50 necks takes, everything included."""
    began = time.monotonic()
    *_, last = calibrate(name, SPACES[0], 50, image_size=IMAGE)
    assert isinstance(last, Calibration)
    machine = f"load {last.sessions[-1].load:.1f}, {os.cpu_count()} cores, niceness {os.nice(0)}"
    detail = f"{len(last.sessions)} sessions, {machine}"
    return Figure(f"{name}_calibration_s", time.monotonic() - began, "s", detail=detail)


def noise(trials: Sequence[Trial], name: str) -> list[Figure]:
    """Return what a label is worth: no error below it can be claimed."""
    floors = [found.session.noise_floor for found in trials]
    again = np.concatenate([found.repeatability for found in trials])
    ninth = f"90 % of {len(again)} necks within {np.quantile(again, 0.9):.1%}"
    return [
        _spread(f"{name}_noise_floor", floors, "two labels of one session, from halves of the visits"),
        Figure(f"{name}_repeatability", float(np.median(again)), "1", detail=f"a later session; {ninth}"),
    ]


def runtime(name: str, *, quick: bool) -> list[Figure]:
    """Measure one runtime."""
    trials = [trial(name, 0, quick=True)] if quick else [kept_trial(name, seed) for seed in SEEDS]
    figures = [*accuracy(trials, name), *over_splits(trials, name, splits=3 if quick else 40)]
    figures += [*baselines(trials, name), *isolated(trials[0], name, quick=quick)]
    return [*figures, *noise(trials, name), calibration(name)]


def kept_trial(name: str, seed: int) -> Trial:
    """Return what a runtime's session for a seed measured, now unless an interrupted run has it already."""
    path = PARTS / f"{name}_{seed}.pickle"
    if path.exists():
        found: Trial = pickle.loads(path.read_bytes())
        return found
    found = trial(name, SEEDS.index(seed), quick=False)
    PARTS.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(found))
    return found


def memory(*, quick: bool) -> list[Figure]:
    """Return the errors of predicted peak activation memory on necks that the fit did not see."""
    figures = []
    for name in RUNTIMES:
        device = devices.load(name)
        necks = [neck.architecture for neck in chosen_to_train(device, SEEDS[0], set())]
        fitted = [*calibrate_memory(device, necks[: 15 if quick else None], IMAGE)][-1]
        assert isinstance(fitted, MemoryPredictor)
        detail = f"{fitted.coefficients.samples} necks, each left out of the fit"
        figures.append(Figure(f"{name}_memory_median_error", fitted.median_error, "1", detail=detail))
    return figures


def speed(*, quick: bool) -> list[Figure]:
    """Return predictions a second on one core; the coefficients do not matter, so times are guessed."""
    device, figures = devices.load(RUNTIMES[0]), []
    count = 500 if quick else 20_000
    for space in (*SPACES, space_of("path_aggregation")):
        rng = np.random.default_rng(1)
        necks = [space.architecture(space.sample(rng)) for _ in range(50 if quick else 100)]
        every = [totals(device.lower(neck, IMAGE)) for neck in necks]
        guesses = expected_times(every, device.lowering.runtime).tolist()
        fingerprint = device.fingerprint(IMAGE)
        model = fit_totals(every, guesses, fingerprint=fingerprint, lowering=device.lowering)
        figures += _rates(model, space, necks, [[space.sample(rng) for _ in range(count)] for _ in range(3)])
    return figures


def _rates(
    model: Predictor, space: Space, necks: Sequence[Architecture], genotypes: Sequence[Sequence[Genotype]]
) -> list[Figure]:
    """Return the rates of the first and the last call with new genotypes, and of one neck after another.

    They are by the processor's time, since other programs may hold the core meanwhile.
    """
    many = GenotypePredictor(model, space)
    seconds = []
    for part in genotypes:
        began = time.process_time()
        times = many.predict(part)
        seconds.append((time.process_time() - began) / len(part))
    some = [space.architecture(genotype) for genotype in genotypes[-1][: len(necks)]]
    began = time.process_time()
    alone = model.times(some)
    seconds.append((time.process_time() - began) / len(some))
    assert np.allclose(times[: len(some)], alone, rtol=1e-9), space.name
    details = (
        "the first call, which lowers what it meets",
        f"{len(genotypes[-1])} genotypes that are new, the third such call; equal to those one by one",
        "architectures, one after another",
    )
    names = (
        f"predictions_first_{space.name}",
        f"predictions_{space.name}",
        f"predictions_alone_{space.name}",
    )
    return [
        Figure(f"{name}_per_s", 1 / each, "1/s", detail=detail)
        for name, each, detail in zip(names, (seconds[0], *seconds[-2:]), details, strict=True)
    ]


class Measuring(Interface):
    """Measures one part, in full or quickly."""

    def __call__(self, *, quick: bool) -> list[Figure]: ...


MEASURES: dict[str, Measuring] = {
    **{name: partial(runtime, name) for name in RUNTIMES},
    "memory": memory,
    "speed": speed,
    "bound": bounded,
}


def part(name: str) -> list[Figure]:
    """Return the figures of one part, measured now unless an interrupted run has them already."""
    path = PARTS / f"{name}.json"
    if path.exists():
        return [Figure(**record) for record in json.loads(path.read_text())]
    began = time.monotonic()
    figures = MEASURES[name](quick=False)
    detail = f"to measure this part; load {load_average():.1f} at its end, niceness {os.nice(0)}"
    figures.append(Figure(f"{name}_part_s", time.monotonic() - began, "s", detail=detail))
    PARTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return figures


def measure_all(*, quick: bool) -> list[Figure]:
    """Measure every part that is missing; quick: one runtime and fewer necks."""
    if quick:
        parts = [name for name in MEASURES if name != RUNTIMES[1]]
        return [figure for name in parts for figure in MEASURES[name](quick=True)]
    figures = [figure for name in MEASURES for figure in part(name)]
    last = PARTS / "last"
    last.mkdir(exist_ok=True)
    for path in (*PARTS.glob("*.json"), *PARTS.glob("*.pickle")):
        path.replace(last / path.name)
    return figures


def main() -> None:
    """Run the benchmark; `--part` measures one part of it, or one session, and keeps it for the whole."""
    sessions = {f"{name}_{seed}": (name, seed) for name in RUNTIMES for seed in SEEDS}
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--part", choices=[*sessions, *MEASURES])
    options, rest = parser.parse_known_args()
    if options.part is None:
        form.main("latency", measure_all, argv=rest)
    if options.part in sessions:
        found = kept_trial(*sessions[options.part]).session
        sys.stdout.write(f"{options.part}: noise floor {found.noise_floor:.1%}, load {found.load:.1f}\n")
        return
    for figure in part(options.part):
        sys.stdout.write(f"{figure.name:44} {figure.value:10.4g} {figure.unit:4} {figure.detail}\n")


if __name__ == "__main__":
    main()
