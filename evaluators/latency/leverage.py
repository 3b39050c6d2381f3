"""`Leverage`: how far a neck lies from those that a fit was made with, which its error grows with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LARGEST = 0.98
"""Of a measured neck: more of its own prediction than this is its own measurement's by rounding only."""
_DIGITS = 6


@dataclass(frozen=True)
class Leverage:
    """The covariance of a fit's coefficients, in units of the noise.

    Attributes:
        triangle: its rows (k, k), each up to the diagonal.
    """

    triangle: tuple[tuple[float, ...], ...]

    @staticmethod
    def of(features: Floats, times: Floats, ridge: float) -> "Leverage":
        """Return the covariance of a fit of features (n, k) to times (n,); see `fit.fit_relative`."""
        rows = features / times[:, None]
        scale = np.sqrt((rows**2).sum(axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        rows = rows / scale
        information = rows.T @ rows + max(ridge, 1e-6) * np.eye(rows.shape[1])
        covariance = np.linalg.inv(information) / np.outer(scale, scale)
        kept = (covariance[index, : index + 1] for index in range(len(covariance)))
        return Leverage(tuple(tuple(float(f"{value:.{_DIGITS}g}") for value in row) for row in kept))

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> "Leverage":
        """Return the covariance whose fields a JSON mapping holds."""
        rows: Sequence[Sequence[float]] = record["triangle"]
        return Leverage(tuple(tuple(row) for row in rows))

    def factors(self, features: Floats, times: Floats) -> Floats:
        """Return by how much the errors of necks with features (n, k) and predicted times (n,) are larger
        than the noise, (n,) of 1 and more.
        """
        return np.asarray(np.sqrt(1 + self._variances(features / times[:, None])))

    def left_out_factors(self, features: Floats, times: Floats) -> Floats:
        """Return the same of the measured necks, each as if the fit had been made without it."""
        own = np.minimum(self._variances(features / times[:, None]), _LARGEST)
        return np.asarray(np.sqrt(1 + own / (1 - own)))

    def _variances(self, rows: Floats) -> Floats:
        lower = np.zeros((len(self.triangle), len(self.triangle)))
        for index, row in enumerate(self.triangle):
            lower[index, : index + 1] = row
        covariance = lower + np.tril(lower, -1).T
        return np.maximum(np.einsum("nk,kl,nl->n", rows, covariance, rows, optimize=True), 0)
