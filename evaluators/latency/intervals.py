"""Conformal intervals on log-residuals, with a scale that follows the size of the neck.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018) on cross-validated residuals. One
quantile for all sizes would cover too few of the slowest necks, so residuals are divided by the spread among
necks of about the same predicted time before the quantile is taken.
"""

from collections.abc import Mapping
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
_SHRINK = 10.0
"""Samples' worth of the overall spread mixed into each local one."""


@dataclass(frozen=True)
class Residuals:
    """Cross-validated errors of a predictor.

    Attributes:
        log_predicted: (n,) logarithm of the predictions, ascending.
        log_error: (n,) logarithm of measured over predicted, in that order.
        samples: measured necks behind the predictor, of which the n are all or the typical ones.
    """

    log_predicted: tuple[float, ...]
    log_error: tuple[float, ...]
    samples: int

    @staticmethod
    def of(predicted: Floats, measured: Floats, samples: int = 0) -> "Residuals":
        """Return the residuals of positive predictions against measured times."""
        order = np.argsort(predicted)
        logs = np.log(predicted[order])
        errors = np.log(measured[order]) - logs
        return Residuals(tuple(logs.tolist()), tuple(errors.tolist()), samples or len(logs))

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Residuals":
        """Return the residuals whose fields a JSON mapping holds."""
        return Residuals(tuple(record["log_predicted"]), tuple(record["log_error"]), int(record["samples"]))

    @property
    def enough(self) -> bool:
        """Whether there are samples enough for an interval."""
        return len(self.log_error) >= MINIMUM_SAMPLES

    def spread(self, log_times: Floats) -> Floats:
        """Return the local mean absolute residual at each size, mixed with the overall one."""
        places, errors = np.asarray(self.log_predicted), np.abs(self.log_error)
        count = max(5, round(_NEIGHBOURHOOD * len(places)))
        gaps = np.abs(np.asarray(log_times)[:, None] - places[None, :])
        nearest = np.argsort(gaps, axis=1)[:, :count]
        local = errors[nearest].sum(axis=1)
        mixed: Floats = (local + _SHRINK * errors.mean()) / (nearest.shape[1] + _SHRINK)
        return np.maximum(mixed, 1e-4)

    def half_widths(self, log_times: Floats, coverage: float) -> Floats:
        """Return the half-width of the interval at each size, in log time.

        Raises:
            ValueError: a coverage outside (0, 1).
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")
        scores = np.abs(self.log_error) / self.spread(np.asarray(self.log_predicted))
        return np.asarray(quantile(scores, coverage) * self.spread(log_times))


def quantile(scores: Floats, coverage: float) -> float:
    """Return the score below which a further one falls with probability `coverage`.

    The level is raised by (n + 1) / n, as split conformal prediction asks. The quantile is Harrell and
    Davis's (1982), a mean of all scores weighted by how likely each is the one that is sought: of some tens
    of scores a single one says too little.
    """
    count = len(scores)
    level = min(coverage * (count + 1) / count, 1 - 0.5 / count)
    edges = beta.cdf(np.arange(count + 1) / count, (count + 1) * level, (count + 1) * (1 - level))
    return float(np.diff(edges) @ np.sort(scores))
