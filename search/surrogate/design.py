"""The first evaluations: the corners, then points far apart in every bin of cost."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Genotype
from search.problem import Candidate
from search.surrogate.features import Ground


def initial(ground: Ground, known: Collection[str], encoded: NDArray[np.float64], n: int) -> list[Genotype]:
    """Return up to `n` genotypes of keys not `known`, far from the evaluated ones, whose encodings are
    `encoded`.

    The feasible corners come first. Then the draws are split into `n` bins by their first cheap
    objective, and each bin gives the one that is farthest from all chosen before.
    """
    problem = ground.problem
    corners = [problem.candidate(corner) for corner in problem.space.corners()]
    chosen = [entry for entry in corners if entry.key not in known and problem.feasible(entry)][:n]
    taken = {*known, *(entry.key for entry in chosen)}
    free = [entry for entry in ground.drawn if entry.key not in taken and problem.feasible(entry)]
    places = ground.encode([entry.genotype for entry in free])
    near = np.vstack([encoded, ground.encode([entry.genotype for entry in chosen])])
    gaps = _gaps(places, near)
    for members in _bins(ground, free, n - len(chosen)):
        best = members[int(np.argmax(gaps[members]))]
        chosen.append(free[best])
        gaps = np.minimum(gaps, _gaps(places, places[[best]]))
    return [entry.genotype for entry in chosen]


def _gaps(places: NDArray[np.float64], near: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance (N,) of each place to the closest of `near`; infinite where there is none."""
    if len(near) == 0:
        return np.full(len(places), np.inf)
    squares = np.sum(places**2, axis=1)[:, None] + np.sum(near**2, axis=1)[None] - 2 * places @ near.T
    gaps: NDArray[np.float64] = squares.min(axis=1)
    return gaps


def _bins(ground: Ground, free: list[Candidate], count: int) -> list[NDArray[np.intp]]:
    """Return positions in `free` by rank of the first cheap objective, in `count` equal parts, none empty."""
    if ground.exact.any():
        column = int(np.argmax(ground.exact))
        order = np.argsort([ground.problem.costs(entry)[column] for entry in free], kind="stable")
    else:
        order = np.arange(len(free))
    parts = np.array_split(order, max(count, 1)) if count else []
    return [part for part in parts if len(part)]
