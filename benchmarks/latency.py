"""Latency: prediction error, interval coverage and speed on this machine's own runtimes, one thread.

Random necks of `fusion_grid` and `merging_cells` and the reference necks. For each runtime one session
measures 100 held-out necks and, for three seeds, 50 necks as a calibration chooses them from others: 20
by D-optimality, which stand for the smaller budget, and 30 at random. Isolated kernels are measured in a
session of their own.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingRegressor

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.isolated_kernels import alone, distinct, signature
from evaluators import devices
from evaluators.latency.calibrate import DESIGNED, Calibration, calibrate, expected_times
from evaluators.latency.choice import Design
from evaluators.latency.device import Device
from evaluators.latency.features import Totals, matrix, totals, vocabulary
from evaluators.latency.fit import fit_relative
from evaluators.latency.measuring import finished, measure
from evaluators.latency.predictor import Predictor, fit_totals
from evaluators.latency.session import Protocol, Session
from search_space import reference
from search_space.architecture import Architecture
from search_space.errors import SearchSpaceError
from search_space.space import Space

Floats = NDArray[np.float64]

IMAGE = (256, 256)
CHANNELS = {3: 64, 4: 128, 5: 256}
WIDTHS = [32, 48, 64, 96, 128]
SEEDS = (0, 1, 2)
HELD_OUT = 100
REFERENCES = 16
BUDGETS = (20, 50)
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
    "predictions_per_s": Target(">=", 20_000.0),
}
SPACES = tuple(
    Space.load({"space": name, "channels": CHANNELS, "widths": WIDTHS})
    for name in ("fusion_grid", "merging_cells")
)


@dataclass(frozen=True)
class Neck:
    """A neck and, where it is of a space, its place there for the trees' encoding."""

    architecture: Architecture
    encoding: Floats | None


def sampled(count: int, rng: np.random.Generator, taken: set[str]) -> list[Neck]:
    """Return new necks, in turn from each space."""
    found: list[Neck] = []
    while len(found) < count:
        place = len(found) % len(SPACES)
        genotype = SPACES[place].sample(rng)
        neck = SPACES[place].architecture(genotype)
        if neck.key in taken:
            continue
        taken.add(neck.key)
        parts = [np.zeros(len(s.encode(s.smallest()))) for s in SPACES]
        parts[place] = SPACES[place].encode(genotype)
        found.append(Neck(neck, np.concatenate([[float(place)], *parts])))
    return found


def references(device: Device, width: int) -> list[Neck]:
    """Return the reference necks that this backbone and the runtime allow."""
    found: dict[str, Neck] = {}
    for name in reference.names():
        try:
            made = reference.build(name, CHANNELS, width=width)
        except SearchSpaceError:
            continue
        if made.export_safe and all(kernel.known for kernel in device.lower(made, IMAGE)):
            found.setdefault(made.key, Neck(made, None))
    return list(found.values())


@dataclass(frozen=True)
class Trial:
    """One runtime's data: held-out necks and each seed's training necks, measured in one session."""

    device: Device
    session: Session
    test: Sequence[Neck]
    train: Sequence[Sequence[Neck]]
    seconds: float

    @property
    def truth(self) -> Floats:
        """Labels of the held-out necks in ms."""
        return self.labels[: len(self.test)]

    @property
    def labels(self) -> Floats:
        """All labels in ms, held-out necks first, then each seed's."""
        return np.array([entry.latency_ms for entry in self.session.measured])

    def training_labels(self, seed: int) -> Floats:
        """Return the labels of a seed's necks in ms."""
        start = len(self.test) + sum(len(necks) for necks in self.train[:seed])
        return self.labels[start : start + len(self.train[seed])]

    def totals(self, necks: Sequence[Neck]) -> list[Totals]:
        """Return the kernel totals of necks."""
        return [totals(self.device.lower(neck.architecture, IMAGE)) for neck in necks]


def trial(name: str, *, quick: bool) -> Trial:
    """Measure one runtime."""
    device, rng, began = devices.load(name), np.random.default_rng(2026), time.monotonic()
    held_out = HELD_OUT // 4 if quick else HELD_OUT
    known = references(device, 64)
    chosen = rng.permutation(len(known))[: min(REFERENCES, held_out // 6)]
    test = [known[index] for index in chosen]
    taken = {neck.architecture.key for neck in test}
    test += sampled(held_out - len(test), rng, taken)
    seeds = SEEDS[:1] if quick else SEEDS
    train = [_designed(device, seed, set(taken)) for seed in seeds]
    necks = [neck.architecture for part in (test, *train) for neck in part]
    protocol = (
        Protocol(visits=6, most_visits=6) if quick else Protocol(visits=12, most_visits=14, seconds=300)
    )
    session = finished(measure(device, necks, image_size=IMAGE, protocol=protocol))
    return Trial(device, session, test, train, time.monotonic() - began)


def _designed(device: Device, seed: int, taken: set[str]) -> list[Neck]:
    rng = np.random.default_rng(seed)
    pool = [*references(device, 96), *sampled(400, rng, taken)]
    every = [totals(device.lower(neck.architecture, IMAGE)) for neck in pool]
    design = Design(matrix(every, vocabulary(every)), expected_times(every))
    chosen = design.extend(DESIGNED)
    rest = [index for index in rng.permutation(len(pool)).tolist() if index not in set(chosen)]
    return [pool[index] for index in (*chosen, *rest[: max(BUDGETS) - DESIGNED])]


def fitted(found: Trial, seed: int, budget: int) -> Predictor:
    """Return the predictor of a seed's first necks."""
    return fit_totals(
        found.totals(found.train[seed][:budget]),
        found.training_labels(seed)[:budget].tolist(),
        fingerprint=found.session.fingerprint,
        lowering=found.device.lowering,
        typical=[place >= DESIGNED for place in range(budget)],
    )


def errors(predicted: Floats, truth: Floats) -> Floats:
    """Return relative errors."""
    return np.abs(predicted / truth - 1)


def accuracy(found: Trial, name: str) -> list[Figure]:
    """Return error, rank correlation and coverage for each budget, mean and range over the seeds."""
    every, figures = found.totals(found.test), []
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    floor = f"noise floor {found.session.noise_floor:.1%}, load {found.session.load:.1f}, nice {niceness}"
    for budget in BUDGETS:
        models = [fitted(found, seed, budget) for seed in range(len(found.train))]
        predicted = [model.predict_totals(every) for model in models]
        wrong = [errors(times, found.truth) for times in predicted]
        rows = {
            "median_error": [float(np.median(e)) for e in wrong],
            "within_5": [float((e < 0.05).mean()) for e in wrong],
            "within_10": [float((e < 0.10).mean()) for e in wrong],
            "rho": [float(spearmanr(times, found.truth).statistic) for times in predicted],
        }
        figures += [_spread(f"{name}_{budget}_{key}", values, floor) for key, values in rows.items()]
        figures += _coverage(found, models, predicted, f"{name}_{budget}")
    return figures


def _spread(name: str, values: Sequence[float], detail: str) -> Figure:
    return Figure(name, float(np.mean(values)), "1", detail=detail, low=min(values), high=max(values))


def _coverage(
    found: Trial, models: Sequence[Predictor], predicted: Sequence[Floats], name: str
) -> list[Figure]:
    inside = []
    for model, times in zip(models, predicted, strict=True):
        widths = model.residuals.half_widths(np.log(times), 0.9)
        inside.append(np.abs(np.log(found.truth / times)) <= widths)
    covered = np.array(inside, dtype=float)
    order = np.argsort(found.truth)
    deciles = [float(covered[:, part].mean()) for part in np.array_split(order, 10)]
    overall = _spread(f"{name}_coverage", covered.mean(axis=1).tolist(), "nominal 0.90")
    listed = " ".join(f"{value:.2f}" for value in deciles)
    return [
        overall,
        Figure(f"{name}_coverage_most", overall.value, "1", detail="the same, held to its upper target"),
        Figure(f"{name}_coverage_worst_decile", min(deciles), "1", detail=f"fastest to slowest: {listed}"),
    ]


def baselines(found: Trial, name: str) -> list[Figure]:
    """Return the errors of MACs alone and of boosted trees, from the same data."""
    every, figures = found.totals(found.test), []
    macs = np.array([sum(entry[0] for entry in total.values()) for total in every])
    for budget in BUDGETS:
        by_macs, by_trees = [], []
        for seed, train in enumerate(found.train):
            labels = found.training_labels(seed)[:budget]
            mine = np.array([sum(e[0] for e in t.values()) for t in found.totals(train[:budget])])
            line = fit_relative(np.column_stack([np.ones(len(mine)), mine]), labels)
            by_macs.append(errors(line[0] + line[1] * macs, found.truth))
            by_trees.append(_tree_errors(train[:budget], labels, found.test, found.truth, seed))
        for label, wrong in (("macs", by_macs), ("trees", by_trees)):
            values = [float(np.median(e)) for e in wrong]
            within = np.mean([(e < 0.1).mean() for e in wrong])
            figures.append(
                _spread(f"{name}_{budget}_{label}_median_error", values, f"{within:.0%} within 10 %")
            )
    return figures


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
    detail = f"{len(last.sessions)} sessions, load {last.sessions[-1].load:.1f}, {os.cpu_count()} cores"
    return Figure(f"{name}_calibration_s", time.monotonic() - began, "s", detail=detail)


def speed(found: Trial) -> list[Figure]:
    """Return predictions a second: of lowered necks in one call, and lowering included."""
    model = fitted(found, 0, 50 if len(found.train[0]) >= 50 else len(found.train[0]))
    necks = [neck.architecture for neck in found.test]
    began = time.perf_counter()
    lowered = model.lowered(necks)
    lowering_s = (time.perf_counter() - began) / len(necks)
    many = lowered.repeated(400)
    began = time.perf_counter()
    model.predict_lowered(many)
    call_s = (time.perf_counter() - began) / len(many)
    return [
        Figure("predictions_per_s", 1 / call_s, "1/s", detail=f"one call of {len(many)} lowered necks"),
        Figure(
            "predictions_with_lowering_per_s", 1 / (call_s + lowering_s), "1/s", detail="from architectures"
        ),
    ]


def measure_all(*, quick: bool) -> list[Figure]:
    """Measure both runtimes."""
    figures: list[Figure] = []
    for name in RUNTIMES[:1] if quick else RUNTIMES:
        found = trial(name, quick=quick)
        figures += [*accuracy(found, name), *baselines(found, name), *isolated(found, name, quick=quick)]
        figures.append(Figure(f"{name}_noise_floor", found.session.noise_floor, "1", detail="of two halves"))
        figures.append(calibration(name))
        if name == RUNTIMES[0]:
            figures += speed(found)
    return figures


if __name__ == "__main__":
    form.main("latency", measure_all)
