"""Fronts and hypervolumes of points whose every coordinate is to be small. Numpy only."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
"""(N, M): N points of M objectives, smaller is better."""


def as_points(points: ArrayLike) -> Points:
    """Return `points` as a float64 array (N, M); an empty sequence becomes (0, 0)."""
    array = np.asarray(points, dtype=np.float64)
    return array.reshape(0, 0) if array.size == 0 else np.atleast_2d(array)


def front(points: ArrayLike) -> NDArray[np.intp]:
    """Return the indices of the points that no other dominates, in input order; of equal points the first."""
    array = as_points(points)
    if len(array) == 0:
        return np.empty(0, dtype=np.intp)
    order = np.lexsort(array.T[::-1])  # a later point never dominates an earlier one
    keep = _planar(array[order]) if array.shape[1] == 2 else _general(array[order])
    return np.sort(order[keep])


def _planar(points: Points) -> NDArray[np.intp]:
    """Return the positions of the front of lexicographically sorted points (N, 2)."""
    lowest = np.minimum.accumulate(points[:, 1])
    falls = np.concatenate([[True], points[1:, 1] < lowest[:-1]])
    return np.flatnonzero(falls)


def _general(points: Points) -> NDArray[np.intp]:
    """Return the positions of the front of lexicographically sorted points (N, M)."""
    kept: list[int] = []
    for position, point in enumerate(points):
        if not kept or not np.any(np.all(points[kept] <= point, axis=1)):
            kept.append(position)
    return np.asarray(kept, dtype=np.intp)


def ranks(points: ArrayLike) -> NDArray[np.intp]:
    """Return the index of the front each point lies on, 0 for the first; equal points share a rank."""
    array, inverse = np.unique(as_points(points), axis=0, return_inverse=True)
    result = np.full(len(array), -1, dtype=np.intp)
    rank = 0
    while np.any(result < 0):
        left = np.flatnonzero(result < 0)
        result[left[front(array[left])]] = rank
        rank += 1
    return result[inverse.reshape(-1)]


def hypervolume(points: ArrayLike, reference: Sequence[float]) -> float:
    """Return the volume that `points` dominate below `reference`; points not below it add nothing.

    Slices along the last objective (While et al., "A faster algorithm for calculating hypervolume", 2006),
    so it is meant for two to four objectives.
    """
    array, corner = as_points(points), np.asarray(reference, dtype=np.float64)
    if len(array) == 0:
        return 0.0
    below = array[np.all(array < corner, axis=1)]
    return _volume(below[front(below)], corner) if len(below) else 0.0


def _volume(points: Points, corner: NDArray[np.float64]) -> float:
    """Return the volume of a front (N, M) that lies below `corner`."""
    if points.shape[1] == 1:
        return float(corner[0] - points.min())
    if points.shape[1] == 2:
        return _area(points, corner)
    points = points[np.argsort(points[:, -1], kind="stable")]
    depths = np.diff(np.append(points[:, -1], corner[-1]))
    slices = (points[: count + 1, :-1] for count in range(len(points)))
    return sum(
        float(depth) * _volume(face[front(face)], corner[:-1])
        for depth, face in zip(depths, slices, strict=True)
        if depth > 0
    )


def _area(points: Points, corner: NDArray[np.float64]) -> float:
    """Return the area of a front (N, 2) that lies below `corner`."""
    points = points[np.argsort(points[:, 0], kind="stable")]
    heights = np.append(corner[1], points[:-1, 1]) - points[:, 1]
    return float(np.sum((corner[0] - points[:, 0]) * heights))


def contribution(points: ArrayLike, candidate: ArrayLike, reference: Sequence[float]) -> float:
    """Return the volume that `candidate` (M,) would add to `points` (N, M)."""
    point, corner = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if not np.all(point < corner):
        return 0.0
    box = float(np.prod(corner - point))
    array = as_points(points)
    if len(array) == 0:
        return box
    return box - hypervolume(np.maximum(array, point), reference)


def trace(points: ArrayLike, reference: Sequence[float]) -> Iterator[float]:
    """Yield the hypervolume of the first point, of the first two, and so on."""
    array = as_points(points)
    kept = array[:0]
    volume = 0.0
    for point in array:
        gain = contribution(kept, point, reference)
        if gain > 0.0:
            volume += gain
            kept = np.vstack([kept, point])
            kept = kept[front(kept)]
        yield volume
