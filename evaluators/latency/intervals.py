"""Conformal intervals on log-residuals, with a scale that follows the size of the neck.

Conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018) on residuals of leaving one out. One
quantile for all sizes would cover too few of the fastest and the slowest necks, so residuals are divided by
the spread among necks of about the same predicted time before the quantile is taken. Few of those measured
are as fast or as slow as any, and a fit errs more there: until a calibration's own errors say otherwise, they
are taken to grow towards both ends of the sizes measured. Residuals are divided too by how much larger an
error the neck's distance from the other measured ones explains (`leverage`), so that those chosen for being
extreme do not widen the intervals of ordinary ones: the quantile is of all necks, the spread at a size of the
ordinary ones, where there are enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[np.float64]

MINIMUM_SAMPLES = 20
"""Below this no interval is given."""
_NEIGHBOURHOOD = 0.3
"""Share of the samples, nearest in predicted time, whose residuals give the spread at a size."""
_SHRINK = 20.0
"""Samples' worth of the overall spread mixed into each local one."""
_ENDS = 0.25
"""By what share errors are larger at the ends of the sizes measured than amidst them, as a first guess: the
fastest and the slowest tenth erred by 1.1 to 1.7 times as much as those between, on two runtimes."""
_SMOOTHED = 30
"""Scores from which a quantile is a mean of all rather than of its two neighbours."""


@dataclass(frozen=True)
class Residuals:
    """Errors of a predictor, each of a fit without the neck in question.

    Attributes:
        log_predicted: (n,) logarithm of the predictions, ascending.
        log_error: (n,) logarithm of measured over predicted, in that order.
        samples: measured necks behind the predictor.
        factors: (n,) by how much larger the error of each is than of a neck like all others; () for 1 each.
        typical: (n,) which were drawn at random rather than chosen; () for all.
    """

    log_predicted: tuple[float, ...]
    log_error: tuple[float, ...]
    samples: int
    factors: tuple[float, ...] = ()
    typical: tuple[bool, ...] = ()

    @staticmethod
    def of(
        predicted: Floats,
        measured: Floats,
        factors: Floats | None = None,
        typical: Sequence[bool] | None = None,
    ) -> "Residuals":
        """Return the residuals of positive predictions against measured times."""
        order = np.argsort(predicted)
        logs = np.log(predicted[order])
        errors = np.log(measured[order]) - logs
        kept = () if factors is None else tuple(factors[order].tolist())
        drawn = () if typical is None else tuple(typical[index] for index in order)
        return Residuals(tuple(logs.tolist()), tuple(errors.tolist()), len(logs), kept, drawn)

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Residuals":
        """Return the residuals whose fields a JSON mapping holds."""
        logs, errors, factors, typical = (
            tuple(record.get(name, ())) for name in ("log_predicted", "log_error", "factors", "typical")
        )
        return Residuals(logs, errors, int(record["samples"]), factors, typical)

    @property
    def enough(self) -> bool:
        """Whether there are samples enough for an interval."""
        return len(self.log_error) >= MINIMUM_SAMPLES

    def spread(self, log_times: Floats) -> Floats:
        """Return the mean absolute error at each size over the factors: that of necks like it, in units of
        what is expected there, mixed with the overall one.
        """
        places = np.asarray(self.log_predicted)[self.ordinary]
        errors = self._errors[self.ordinary] / _expected(places, places)
        count = max(5, round(_NEIGHBOURHOOD * len(places)))
        gaps = np.abs(np.asarray(log_times)[:, None] - places[None, :])
        nearest = np.argsort(gaps, axis=1)[:, :count]
        local = errors[nearest].sum(axis=1)
        mixed: Floats = (local + _SHRINK * errors.mean()) / (nearest.shape[1] + _SHRINK)
        return np.maximum(mixed * _expected(np.asarray(log_times), places), 1e-4)

    def half_widths(self, log_times: Floats, coverage: float, factors: Floats | float = 1.0) -> Floats:
        """Return the half-width of the interval at each size, in log time, of necks of these factors.

        Raises:
            ValueError: a coverage outside (0, 1).
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")
        scores = self._errors / self.spread(np.asarray(self.log_predicted))
        return np.asarray(quantile(scores, coverage) * self.spread(log_times) * factors)

    def own_half_widths(self, coverage: float) -> Floats:
        """Return the half-width (n,) of the interval of each of these necks."""
        return self.half_widths(np.asarray(self.log_predicted), coverage, self.own_factors)

    def without(self, index: int) -> "Residuals":
        """Return the residuals of all necks but one."""
        columns = (self.log_predicted, self.log_error, self.factors)
        logs, errors, factors = ((*column[:index], *column[index + 1 :]) for column in columns)
        typical = (*self.typical[:index], *self.typical[index + 1 :])
        return Residuals(logs, errors, self.samples - 1, factors, typical)

    @property
    def ordinary(self) -> NDArray[np.bool_]:
        """Return which necks (n,) are like those to come: the typical ones where they are enough, or all."""
        enough = sum(self.typical) >= MINIMUM_SAMPLES
        return np.array(self.typical if enough else [True] * len(self.log_error))

    @property
    def own_factors(self) -> Floats:
        """Return `factors` as an array (n,)."""
        return np.asarray(self.factors or np.ones(len(self.log_error)))

    @property
    def _errors(self) -> Floats:
        return np.asarray(np.abs(self.log_error) / self.own_factors)


def _expected(log_times: Floats, places: Floats) -> Floats:
    """Return errors (n,) as they are expected at each size, over those amidst the ascending `places`."""
    ranks = np.interp(log_times, places, np.linspace(-1, 1, len(places)))
    return np.asarray(1 + _ENDS * ranks**4)


def quantile(scores: Floats, coverage: float) -> float:
    """Return the score below which a further one falls with probability `coverage`.

    Of few scores the one at that place, between its two neighbours, its level raised by (n + 1) / n as split
    conformal prediction asks. Of more it is Harrell and Davis's (1982) quantile of their logarithms, a mean
    of all weighted by how likely each is the one that is sought: a single one says too little. That mean
    leans outward already: made of 50 scores it covers .90 of further ones, at a raised level .92.
    """
    count, ordered = len(scores), np.sort(scores)
    if count < _SMOOTHED:
        return float(np.interp(coverage * (count + 1) - 1, np.arange(count), ordered))
    edges = beta.cdf(np.arange(count + 1) / count, (count + 1) * coverage, (count + 1) * (1 - coverage))
    return float(np.exp(np.diff(edges) @ np.log(np.maximum(ordered, 1e-9))))
