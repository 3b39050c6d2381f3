"""Starting a new device from the nearest one that is known, if that helps on necks held out."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluators.latency.errors import NewerPredictor
from evaluators.latency.features import Totals
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.lowering import Lowering
from evaluators.latency.predictor import Predictor, fit_totals


def stored(folder: Path) -> list[Predictor]:
    """Return the predictors of the calibrations kept in a folder, a later version's left out."""
    found = []
    for path in sorted(folder.glob("*/predictor.json")):
        with suppress(NewerPredictor):
            found.append(Predictor.from_json(path.read_text()))
    return found


def nearest(known: Sequence[Predictor], fingerprint: Fingerprint, lowering: Lowering) -> Predictor | None:
    """Return the known predictor of the most similar device; None where none lowers necks alike.

    Kernels must be named alike, so the runtime's lowering and its version must agree. Then count: the same
    plug-in, words of the processor's name, threads, precision, the runtime's version.
    """
    alike = [
        entry
        for entry in known
        if (entry.lowering.runtime, entry.fingerprint.lowering) == (lowering.runtime, fingerprint.lowering)
    ]
    return max(alike, key=lambda entry: likeness(entry.fingerprint, fingerprint), default=None)


def likeness(first: Fingerprint, second: Fingerprint) -> float:
    """Return how alike two devices are; larger is more alike."""
    words = [set(entry.hardware.lower().split()) for entry in (first, second)]
    common = len(words[0] & words[1]) / max(1, len(words[0] | words[1]))
    same = [getattr(first, name) == getattr(second, name) for name in ("threads", "precision", "version")]
    return 2.0 * (first.device == second.device) + 2.0 * common + 0.5 * sum(same)


def scaled(prior: Predictor, every: Sequence[Totals], times_ms: Sequence[float]) -> Predictor:
    """Return the prior made slower or faster as a whole, so that it fits the measured necks at the median."""
    factor = float(np.median(np.asarray(times_ms) / prior.predict_totals(every)))
    rates = {kind: _times(values, factor) for kind, values in prior.rates.items()}
    return replace(prior, base=prior.base * factor, rates=rates, fallback=_times(prior.fallback, factor))


def _times(rates: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    macs, moved, count = (rate * factor for rate in rates)
    return macs, moved, count


def fit_from(
    prior: Predictor | None,
    every: Sequence[Totals],
    times_ms: Sequence[float],
    *,
    fingerprint: Fingerprint,
    lowering: Lowering,
    typical: Sequence[bool] | None = None,
) -> Predictor:
    """Return the better of two fits by held-out error: from scratch, and from the prior's proportions.

    Raises:
        TooFewSamples, InvalidSample: see `fit_totals`.
    """
    fresh = fit_totals(every, times_ms, fingerprint=fingerprint, lowering=lowering, typical=typical)
    if prior is None:
        return fresh
    start = scaled(prior, every, times_ms)
    helped = fit_totals(
        every, times_ms, fingerprint=fingerprint, lowering=lowering, prior=start, typical=typical
    )
    helped = replace(helped, started_from=prior.fingerprint)
    return min(helped, fresh, key=held_out_error)


def held_out_error(predictor: Predictor) -> float:
    """Return the mean absolute log error on necks left out of the fit."""
    return float(np.abs(predictor.residuals.log_error).mean())
