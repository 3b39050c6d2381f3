"""`Predictor`: latency as a sum over the device's own kernels, with coefficients >= 0 and intervals."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.latency.costs import LEAST, Costs
from evaluators.latency.errors import InvalidSample, NewerPredictor, PredictorMismatch, TooFewSamples
from evaluators.latency.features import PER_CLASS, Lowered, Totals, matrix, overall, totals, vocabulary
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.fit import RIDGES, fit_relative, held_out, left_out
from evaluators.latency.intervals import Residuals
from evaluators.latency.kernels import LOWERING_VERSION, Kernel
from evaluators.latency.leverage import Leverage
from evaluators.latency.lowering import Lowering
from evaluators.latency.proportions import proportions
from evaluators.score import Score
from search_space.architecture import Architecture

Floats = NDArray[np.float64]
Rates = tuple[float, float, float]
"""Milliseconds for a million MACs, for a million bytes, for one kernel."""

SCHEMA_VERSION = 2
MINIMUM_SAMPLES = 10
CLASSES_FROM = 15
"""Samples from which each class of kernels has its own coefficients."""
_SHRINK = 10.0
"""Samples' worth of the rates that a fit is shrunk towards."""
WIDENING = 1.5
"""Factor on the interval's log half-width for each kernel class that was never measured."""


@dataclass(frozen=True)
class Predictor:
    """Coefficients for one device, runtime, version, precision, batch and image size.

    Attributes:
        fingerprint: what the coefficients hold for.
        lowering: how an architecture becomes kernels there.
        base: milliseconds that every inference costs.
        rates: by class of kernels.
        fallback: rates of kernels in general, for classes that were never measured: never zero.
        residuals: errors of necks left out, from which intervals are made.
        reference_ms: the undisturbed reference time of the sessions behind it; None where it is not known.
        started_from: the device whose coefficients these were shrunk towards, None where that did not help.
        leverage: how far a neck lies from the measured ones; None where there were too few to tell.
        metric: what is predicted.
        unit: its unit.
    """

    fingerprint: Fingerprint
    lowering: Lowering
    base: float
    rates: Mapping[str, Rates]
    fallback: Rates
    residuals: Residuals
    metric: str = "latency_ms"
    unit: str = "ms"
    started_from: Fingerprint | None = None
    reference_ms: float | None = None
    leverage: Leverage | None = None

    @property
    def samples(self) -> int:
        """Number of measured necks behind the coefficients."""
        return self.residuals.samples

    @staticmethod
    def fit(
        architectures: Sequence[Architecture],
        times_ms: Sequence[float],
        *,
        fingerprint: Fingerprint,
        lowering: Lowering,
        prior: "Predictor | None" = None,
    ) -> "Predictor":
        """Return the predictor fitted to measured necks.

        Args:
            architectures: what was measured.
            times_ms: their labels.
            fingerprint: of the measuring session.
            lowering: of the device.
            prior: a predictor of a similar device, towards whose proportions the coefficients are shrunk.

        Raises:
            TooFewSamples: fewer than 10.
            InvalidSample: a time that is not a positive number.
        """
        every = [
            totals(lowering.kernels(entry, fingerprint.image, fingerprint.batch)) for entry in architectures
        ]
        return fit_totals(every, times_ms, fingerprint=fingerprint, lowering=lowering, prior=prior)

    def rates_of(self, kind: str) -> Rates:
        """Return the rates of a class: fitted, or those of kernels in general in the class's proportions."""
        found = self.rates.get(kind)
        return found or _typical(np.array([0.0, *self.fallback]), self.lowering.runtime, kind)

    def totals(self, architecture: Architecture) -> dict[str, Rates]:
        """Return (megaMACs, megabytes, count) by class of kernels of a neck on this device."""
        return totals(self.kernels(architecture))

    def kernels(self, architecture: Architecture) -> tuple[Kernel, ...]:
        """Return the kernels that this device runs for a neck.

        Raises:
            PredictorMismatch: the coefficients are of another version of the kernel lists.
        """
        self.require_kernel_lists()
        return self.lowering.kernels(architecture, self.fingerprint.image, self.fingerprint.batch)

    def require_kernel_lists(self) -> None:
        """Check that the coefficients are of this version's kernel lists.

        Raises:
            PredictorMismatch: they are of another version's.
        """
        if self.fingerprint.lowering != LOWERING_VERSION:
            raise PredictorMismatch(
                f"this predictor is of kernel lists {self.fingerprint.lowering}, here they are "
                f"{LOWERING_VERSION}; calibrate the device again"
            )

    def lowered(self, architectures: Sequence[Architecture]) -> Lowered:
        """Return necks as the matrix that `predict_lowered` takes."""
        return Lowered.of([self.totals(entry) for entry in architectures])

    def predict_lowered(self, necks: Lowered) -> Floats:
        """Return times (n,) in ms; the vectorised call."""
        times = np.full(len(necks), self.base)
        columns = necks.amounts[:, 1:].reshape(len(necks), len(necks.classes), PER_CLASS)
        known = [index for index, kind in enumerate(necks.classes) if kind in self.rates]
        rates = np.array([self.rates[necks.classes[index]] for index in known]).reshape(-1, PER_CLASS)
        times += np.einsum("nkp,kp->n", columns[:, known], rates)
        for index in set(range(len(necks.classes))) - set(known):
            macs, moved, count = (columns[:, index] * np.array(self.rates_of(necks.classes[index]))).T
            times += np.maximum(macs, moved) + count
        return np.maximum(times, LEAST)

    def costs(self, amounts: Floats, classes: Sequence[str]) -> Costs:
        """Return what kernels cost, given their amounts (kernels, 3 * classes), to be summed by neck."""
        rates = np.array([self.rates_of(kind) for kind in classes]).reshape(-1, PER_CLASS)
        parts = amounts.reshape(len(amounts), -1, PER_CLASS) * rates
        unknown = np.array([kind not in self.rates for kind in classes], dtype=bool)
        fixed = parts[:, ~unknown].sum(axis=(1, 2)) + parts[:, unknown, 2].sum(axis=1)
        return Costs(self.base, fixed, parts[:, unknown, 0].T, parts[:, unknown, 1].T)

    def predict_totals(self, every: Sequence[Totals]) -> Floats:
        """Return times (n,) in ms of necks given by their kernel totals."""
        return self.predict_lowered(Lowered.of(every))

    def times(self, architectures: Sequence[Architecture]) -> Floats:
        """Return predicted times (n,) in ms."""
        return self.predict_totals([self.totals(entry) for entry in architectures])

    def unsupported_kernels(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the classes of a neck's kernels that were never measured; they widen its interval."""
        return tuple(sorted(self.totals(architecture).keys() - self.rates.keys()))

    def predict(self, architecture: Architecture) -> Score:
        """Return the predicted time; its standard error is the 90 % interval's, None below 20 samples."""
        return self.score(self.totals(architecture))

    def score(self, entry: Totals) -> Score:
        """Return the prediction for a neck given by its kernel totals; see `predict`."""
        time = float(self.predict_totals([entry])[0])
        width = self._half_width(entry, time, 0.9)
        stderr = None if width is None else time * math.expm1(width) / 1.645
        return Score(self.metric, time, self.unit, "predicted", stderr)

    def interval(self, architecture: Architecture, coverage: float = 0.9) -> tuple[float, float] | None:
        """Return the bounds in ms within which a measurement falls with probability `coverage`.

        None below 20 samples, where no honest interval can be given.
        """
        entry = self.totals(architecture)
        time = float(self.predict_totals([entry])[0])
        width = self._half_width(entry, time, coverage)
        return None if width is None else (time * math.exp(-width), time * math.exp(width))

    def _half_width(self, entry: Totals, time: float, coverage: float) -> float | None:
        if not self.residuals.enough:
            return None
        return float(self.half_widths([entry], np.array([time]), coverage)[0])

    def half_widths(self, every: Sequence[Totals], times: Floats, coverage: float) -> Floats:
        """Return the half-widths (n,) of the intervals, in log time, of necks given by their kernel totals.

        Args:
            every: the n necks.
            times: (n,) what is predicted for them.
            coverage: of the intervals.
        """
        factors = np.array([WIDENING ** len(entry.keys() - self.rates.keys()) for entry in every])
        if self.leverage is not None:
            factors *= self.leverage.factors(matrix(every, tuple(self.rates)), times)
        return self.residuals.half_widths(np.log(times), coverage, factors)

    def require(self, fingerprint: Fingerprint) -> None:
        """Check that the coefficients hold for a device as it is now.

        Raises:
            PredictorMismatch: device, runtime or a setting differs; the message names what.
        """
        differing = self.fingerprint.differences(fingerprint)
        if differing:
            listed = ", ".join(f"{name} was {was}, is {now}" for name, (was, now) in differing.items())
            raise PredictorMismatch(
                f"this predictor does not hold here: {listed}; calibrate the device again"
            )

    def to_json(self) -> str:
        """Return the coefficients as JSON with a `schema_version`."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> "Predictor":
        """Return the predictor of `to_json`.

        Raises:
            NewerPredictor: written by a later version.
        """
        record = json.loads(text)
        version = record.pop("schema_version")
        if version > SCHEMA_VERSION:
            raise NewerPredictor(
                f"predictor: schema {version} is newer than {SCHEMA_VERSION}; upgrade neckline"
            )
        start, leverage = record.pop("started_from", None), record.pop("leverage", None)
        return Predictor(
            started_from=None if start is None else Fingerprint.from_record(start),
            leverage=None if leverage is None else Leverage.from_record(leverage),
            fingerprint=Fingerprint.from_record(record.pop("fingerprint")),
            lowering=Lowering(**record.pop("lowering")),
            rates={kind: tuple(rates) for kind, rates in record.pop("rates").items()},
            fallback=tuple(record.pop("fallback")),
            residuals=Residuals.from_record(record.pop("residuals")),
            **record,
        )


def fit_totals(
    every: Sequence[Totals],
    times_ms: Sequence[float],
    *,
    fingerprint: Fingerprint,
    lowering: Lowering,
    prior: Predictor | None = None,
    typical: Sequence[bool] | None = None,
    metric: str = "latency_ms",
    unit: str = "ms",
) -> Predictor:
    """Return the predictor fitted to kernel totals; see `Predictor.fit`.

    `typical` marks necks that were drawn at random rather than chosen; see `Residuals.ordinary`.
    """
    times = _checked(times_ms, len(every))
    enough = len(times) >= CLASSES_FROM or prior is not None
    classes = vocabulary(every) if enough else ()
    simple = overall(every, lowering.runtime)
    general = fit_relative(simple, times)
    if not classes:
        predicted = left_out(simple, times, fit_relative)
        rates = {kind: _typical(general, lowering.runtime, kind) for kind in vocabulary(every)}
        base, fallback, leverage, factors = float(general[0]), _rates(general[1:]), None, np.ones(len(times))
    else:
        features = matrix(every, classes)
        start = _start(general, classes, lowering.runtime, prior)
        ridge = _ridge(features, times, start, similar=prior is not None)
        fitted = fit_relative(features, times, start, ridge)
        predicted = left_out(features, times, lambda x, y: fit_relative(x, y, start, ridge))
        parts = fitted[1:].reshape(-1, PER_CLASS)
        rates = {kind: _rates(values) for kind, values in zip(classes, parts, strict=True)}
        base, fallback = float(fitted[0]), _rates(general[1:])
        leverage = Leverage.of(features, times, ridge)
        factors = leverage.left_out_factors(features, times)
    residuals = Residuals.of(np.maximum(predicted, 1e-6), times, factors, typical)
    return Predictor(fingerprint, lowering, base, rates, fallback, residuals, metric, unit, leverage=leverage)


def _checked(times_ms: Sequence[float], count: int) -> Floats:
    times = np.asarray(times_ms, dtype=float)
    if len(times) != count:
        raise InvalidSample(f"{len(times)} times for {count} necks")
    if count < MINIMUM_SAMPLES:
        raise TooFewSamples(f"{count} measured necks; a predictor needs at least {MINIMUM_SAMPLES}")
    bad = np.flatnonzero(~(np.isfinite(times) & (times > 0)))
    if bad.size:
        raise InvalidSample(f"neck {bad[0]}: a time must be positive, got {times[bad[0]]}")
    return times


def _rates(values: Floats) -> Rates:
    macs, moved, count = (float(value) for value in values)
    return macs, moved, count


def _typical(general: Floats, runtime: str, kind: str) -> Rates:
    """Return a class's rates as the kernels in general and its proportions say."""
    return _rates(general[1:] * proportions(runtime, [kind])[0])


def _start(general: Floats, classes: Sequence[str], runtime: str, prior: Predictor | None) -> Floats:
    """Return what each coefficient is shrunk towards: typical rates, or a similar device's own."""
    base = float(general[0]) if prior is None else prior.base
    rates = [prior.rates_of(kind) if prior else _typical(general, runtime, kind) for kind in classes]
    return np.array([base, *(value for entry in rates for value in entry)])


def _ridge(features: Floats, times: Floats, start: Floats, *, similar: bool) -> float:
    """Return the strength of the shrinkage: less with more samples; from a similar device, what helps.

    The rule was chosen on two runtimes, over splits of 250 and more necks: with 50 samples anything from half
    to twice of it serves about as well.
    """
    usual = min(1.0, _SHRINK / len(times))
    if not similar:
        return usual
    return min({usual, *RIDGES}, key=lambda ridge: _log_error(features, times, start, ridge))


def _log_error(features: Floats, times: Floats, start: Floats, ridge: float) -> float:
    predicted = held_out(features, times, lambda x, y: fit_relative(x, y, start, ridge), parts=5)
    return float(np.abs(np.log(np.maximum(predicted, 1e-9) / times)).mean())
