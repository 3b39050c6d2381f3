"""How well a score orders architectures: rank correlations, their intervals, regret."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats, Floats, Floats], float]
"""From truth, score and group labels (equal groups are comparable) to a number."""

REPLICATES = 1000


@dataclass(frozen=True)
class Interval:
    """A statistic with its 95 % bootstrap interval over architectures."""

    value: float
    low: float
    high: float


def tau(truth: Floats, score: Floats, groups: Floats | None = None) -> float:
    """Return Kendall's tau-b; larger truth should have the larger score."""
    return float(kendalltau(truth, score).statistic)


def rho(truth: Floats, score: Floats, groups: Floats | None = None) -> float:
    """Return Spearman's rho."""
    return float(spearmanr(truth, score).statistic)


def concordance(truth: Floats, score: Floats, groups: Floats) -> float:
    """Return concordant minus discordant pairs, over the pairs whose groups differ by less than a half."""
    pairs = np.triu(np.abs(groups[:, None] - groups[None]) < 0.5, 1)
    signs = np.sign(truth[:, None] - truth[None]) * np.sign(score[:, None] - score[None])
    return float(signs[pairs].mean()) if pairs.any() else float("nan")


def top_half(truth: Floats, score: Floats, groups: Floats | None = None) -> float:
    """Return Kendall's tau within the half of the architectures whose truth is best."""
    kept = truth >= np.median(truth)
    return tau(truth[kept], score[kept])


def regret(truth: Floats, score: Floats) -> float:
    """Return how much truth is lost by taking the best score."""
    return float(truth.max() - truth[int(np.argmax(score))])


def interval(statistic: Statistic, truth: Floats, score: Floats, groups: Floats | None = None) -> Interval:
    """Return the statistic with a percentile bootstrap over architectures.

    A pair of copies of one architecture has no order; copies are left out of each replicate, and
    replicates of fewer than three architectures altogether.
    """
    labels = np.zeros(len(truth)) if groups is None else groups
    rng = np.random.default_rng(0)
    drawn: list[float] = []
    for _ in range(REPLICATES):
        picks = np.unique(rng.integers(len(truth), size=len(truth)))
        if len(picks) > 2:
            drawn.append(statistic(truth[picks], score[picks], labels[picks]))
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    value = statistic(truth, score, labels)
    return Interval(value, min(float(low), value), max(float(high), value))


def standardised(array: Floats) -> Floats:
    """Return the values with mean 0 and standard deviation 1."""
    return np.asarray((array - array.mean()) / max(float(array.std()), 1e-12))
