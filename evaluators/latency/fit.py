"""Non-negative least squares on the relative error, shrunk towards a simpler model where data are few."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]

RIDGES = (0.03, 0.1, 0.3, 1.0)
"""Strengths of shrinkage that cross-validation chooses from."""
_HUBER = 1.5
_ROUNDS = 3


def fit_relative(features: Floats, times: Floats, prior: Floats | None = None, ridge: float = 0.0) -> Floats:
    """Return coefficients >= 0 that minimise the squared relative error of `features @ coefficients`.

    Outliers count linearly (Huber's weights, in three rounds).

    Args:
        features: (n, k), not negative.
        times: (n,), positive.
        prior: (k,), what the coefficients are shrunk towards; zeros if None.
        ridge: strength of the shrinkage, relative to the size of the data.
    """
    rows = features / times[:, None]
    scale = np.sqrt((rows**2).sum(axis=0))
    used = scale > 0
    scale = np.where(used, scale, 1.0)
    start = np.zeros(features.shape[1]) if prior is None else prior
    weights = np.ones(len(times))
    coefficients = start
    for _ in range(_ROUNDS):
        coefficients = _solve(rows / scale, weights, start * scale, ridge) / scale
        residual = np.abs(rows @ coefficients - 1)
        limit = _HUBER * max(1.4826 * float(np.median(residual)), 1e-9)
        weights = np.minimum(1, limit / np.maximum(residual, 1e-12))
    return np.where(used, coefficients, start)


def _solve(rows: Floats, weights: Floats, start: Floats, ridge: float) -> Floats:
    root = np.sqrt(weights)
    system, target = rows * root[:, None], root.copy()
    if ridge > 0:
        strength = np.sqrt(ridge)
        system = np.vstack([system, strength * np.eye(rows.shape[1])])
        target = np.concatenate([target, strength * start])
    solution, _ = nnls(system, target, maxiter=30 * rows.shape[1])
    return np.asarray(solution)


def folds(count: int, parts: int, seed: int = 0) -> list[NDArray[np.intp]]:
    """Return a random partition of `count` indices into `parts`."""
    return np.array_split(np.random.default_rng(seed).permutation(count), min(parts, count))


Fit = Callable[[Floats, Floats], Floats]


def held_out(features: Floats, times: Floats, fit: Fit, parts: int = 10, seed: int = 0) -> Floats:
    """Return predictions (n,) of each sample by a fit to the folds without it."""
    predicted = np.empty(len(times))
    for fold in folds(len(times), parts, seed):
        rest = np.setdiff1d(np.arange(len(times)), fold)
        predicted[fold] = features[fold] @ fit(features[rest], times[rest])
    return predicted


def left_out(features: Floats, times: Floats, fit: Fit) -> Floats:
    """Return predictions (n,) of each sample by a fit to all others, which errs as the fit to all does."""
    return held_out(features, times, fit, parts=len(times))
