"""`Summary`: how good a calibration is, told by necks that each fit did not see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from evaluators.latency.calibrate import Calibration
from evaluators.latency.intervals import Residuals

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Errors are relative, of necks left out of the fit, one by one; of random ones, where there are 20.

    Attributes:
        samples: measured necks.
        unsettled: those whose label did not become as narrow as was asked.
        median_error, within_5, within_10: of predicted against measured.
        rho: Spearman's rank correlation.
        coverage: share of necks inside their 90 % interval, made without them; None below 20 samples.
        coverage_by_decile: the same from the fastest to the slowest tenth.
        noise_floor: no error below it can be claimed.
        points: (measured ms, predicted ms) of each neck.
    """

    samples: int
    unsettled: int
    median_error: float
    within_5: float
    within_10: float
    rho: float
    coverage: float | None
    coverage_by_decile: tuple[float, ...]
    noise_floor: float
    points: tuple[tuple[float, float], ...]
    started_from: str | None = None
    """The similar device whose coefficients helped, None where there was none or it did not help."""

    def rows(self) -> list[tuple[str, str]]:
        """Return what a table shows: names and formatted values."""
        shown = [
            ("measured necks", f"{self.samples} ({self.unsettled} not settled)"),
            ("median error, held out", f"{self.median_error:.1%}"),
            ("within 5 %", f"{self.within_5:.0%}"),
            ("within 10 %", f"{self.within_10:.0%}"),
            ("rank correlation", f"{self.rho:.4f}"),
            ("noise floor", f"{self.noise_floor:.1%}"),
        ]
        if self.started_from is not None:
            shown.append(("started from", self.started_from))
        if self.coverage is None:
            return [*shown, ("90 % intervals", "none: they need 20 measured necks")]
        deciles = " ".join(f"{share:.0%}" for share in self.coverage_by_decile)
        return [*shown, ("90 % intervals cover", f"{self.coverage:.0%}"), ("by size, fast to slow", deciles)]


def summarise(done: Calibration) -> Summary:
    """Return how good a calibration is."""
    residuals, start = done.predictor.residuals, done.predictor.started_from
    ordinary = residuals.ordinary
    predicted = np.exp(residuals.log_predicted)[ordinary]
    log_error = np.array(residuals.log_error)[ordinary]
    measured = predicted * np.exp(log_error)
    errors = np.abs(predicted / measured - 1)
    inside = covered(residuals)[ordinary] if residuals.enough else None
    deciles = [] if inside is None else np.array_split(inside[np.argsort(measured)], 10)
    return Summary(
        samples=done.predictor.samples,
        unsettled=sum(not entry.settled for session in done.sessions for entry in session.measured),
        median_error=float(np.median(errors)),
        within_5=float((errors < 0.05).mean()),
        within_10=float((errors < 0.10).mean()),
        rho=float(spearmanr(predicted, measured).statistic),
        coverage=None if inside is None else float(inside.mean()),
        coverage_by_decile=tuple(float(part.mean()) for part in deciles),
        noise_floor=done.noise_floor,
        points=tuple(zip(measured.tolist(), predicted.tolist(), strict=True)),
        started_from=None if start is None else f"{start.device}, {start.hardware}, {start.version}",
    )


def covered(residuals: Residuals, coverage: float = 0.9) -> Floats:
    """Return 1 for each neck inside the interval that the other necks' residuals give it, else 0."""
    inside = [
        abs(error) <= residuals.without(index).half_widths(np.array([place]), coverage, factor)[0]
        for index, (place, error, factor) in enumerate(
            zip(residuals.log_predicted, residuals.log_error, residuals.own_factors, strict=True)
        )
    ]
    return np.array(inside, dtype=float)
