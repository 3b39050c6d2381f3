"""Which necks to measure: first those that fix the coefficients best, then where the model is least sure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PRIOR = 0.01
"""Strength of the prior on each scaled coefficient: what one sample in a hundred would say."""


class Design:
    """A growing choice of rows that maximises the determinant of their information matrix (D-optimality).

    Rows are features over the expected time, since the fit is on the relative error; columns are scaled to
    equal size. The matrix starts at a small multiple of the identity (Bayesian D-optimality, Chaloner and
    Verdinelli 1995).
    """

    def __init__(self, features: Floats, expected: Floats) -> None:
        """Start from candidates (n, k) and their expected times (n,)."""
        rows = features / expected[:, None]
        size = np.sqrt((rows**2).mean(axis=0))
        self._rows = rows / np.where(size > 0, size, 1.0)
        self._covariance = np.eye(rows.shape[1]) / _PRIOR
        self.chosen: list[int] = []

    def take(self, index: int) -> None:
        """Add a candidate (Sherman-Morrison)."""
        row = self._rows[index]
        spread = self._covariance @ row
        self._covariance = self._covariance - np.outer(spread, spread) / (1 + row @ spread)
        self.chosen.append(index)

    def variances(self) -> Floats:
        """Return, for each candidate, the variance of its predicted relative time, in units of the noise."""
        return np.asarray(np.einsum("nk,kl,nl->n", self._rows, self._covariance, self._rows))

    def extend(self, count: int, weights: Floats | None = None) -> list[int]:
        """Take the `count` candidates that each add most and return them, best first.

        Args:
            count: how many; fewer where the candidates run out.
            weights: factor on each candidate's variance.
        """
        added: list[int] = []
        for _ in range(min(count, len(self._rows) - len(self.chosen))):
            gain = self.variances() * (1.0 if weights is None else weights)
            gain[self.chosen] = -np.inf
            self.take(int(gain.argmax()))
            added.append(self.chosen[-1])
        return added


def nearness(times: Floats, budget_ms: float | None) -> Floats:
    """Return weights that favour necks near a budget: 1 far away, 3 at the budget; all 1 without one."""
    if budget_ms is None:
        return np.ones(len(times))
    return np.asarray(1 + 2 * np.exp(-0.5 * (np.log(times / budget_ms) / 0.3) ** 2))


def distinct(keys: Sequence[str]) -> list[int]:
    """Return the first position of each key."""
    return sorted({key: index for index, key in reversed(list(enumerate(keys)))}.values())
