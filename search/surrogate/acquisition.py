"""Expected hypervolume improvement where all objectives but one are known exactly.

With the others exact, the improvement is a sum over the segments of the front's staircase, and so is its
expectation under a normal prediction (Emmerich et al., 2016, reduce to this case).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from search.pareto import Points, contribution, front

Array = NDArray[np.float64]


def below(height: Array, mean: Array, sd: Array) -> Array:
    """Return E[max(0, height - Y)] for Y ~ N(mean, sd**2); arguments broadcast."""
    safe = np.maximum(sd, 1e-12)
    z = (height - mean) / safe
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    expected: Array = safe * (density + z * ndtr(z))
    return expected


def planar(points: Points, reference: Array, exact: Array, mean: Array, sd: Array) -> Array:
    """Return the expected improvement (Q,) of candidates over the front `points` (N, 2).

    Column 0 is the exact objective and column 1 the predicted one; smaller is better. A candidate has its
    exact value, and its prediction's mean and standard deviation.
    """
    inside = points[np.all(points < reference, axis=1)] if len(points) else points.reshape(0, 2)
    stairs = inside[front(inside)] if len(inside) else inside
    stairs = stairs[np.argsort(stairs[:, 0], kind="stable")]
    edges = np.concatenate([[-np.inf], stairs[:, 0], [reference[0]]])
    heights = np.concatenate([[reference[1]], stairs[:, 1]])
    starts = np.maximum(edges[None, :-1], exact[:, None])  # (Q, segments)
    widths = np.maximum(edges[None, 1:] - starts, 0.0)
    expected: Array = np.sum(widths * below(heights[None], mean[:, None], sd[:, None]), axis=1)
    return expected


SHORTLIST = 24
"""Candidates that are sampled; the rest are judged by one optimistic value."""
QUANTILES = np.array([-1.9, -1.2, -0.75, -0.35, 0.0, 0.35, 0.75, 1.2, 1.9])
"""Standard normal values that stand for a prediction where there is no closed sum."""


def sampled(points: Points, reference: Array, means: Points, sds: Points, rng: np.random.Generator) -> Array:
    """Return the expected improvement (Q,) of candidates of means and deviations (Q, M), by a few samples.

    Only the `SHORTLIST` that would improve most at one deviation below the mean are sampled; others get 0.
    """
    stairs = points[front(points)] if len(points) else points
    corner = tuple(reference)
    hopes = np.array([contribution(stairs, point, corner) for point in means - sds])
    shifts = np.column_stack([rng.permutation(QUANTILES) for _ in range(means.shape[1])])
    expected = np.zeros(len(means))
    for index in np.argsort(-hopes, kind="stable")[:SHORTLIST]:
        samples = means[index] + sds[index] * shifts
        expected[index] = np.mean([contribution(stairs, sample, corner) for sample in samples])
    return expected
