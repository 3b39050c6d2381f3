"""Fronts read from the record while a search runs: arrays kept by search, extended by what is new."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from search.objectives import HALF_INTERVAL, Constraint, Objective
from search.pareto import front, hypervolume, ranks
from service.store import Store
from service.stores import evaluations, searches
from service.stores.evaluations import ERROR_OF, Compact

KEPT_SEARCHES = 256
MARGIN = 0.1
NEIGHBOURS = 64
NEAREST = 16
RANKED = 2_000
"""Points of which the exact rank is computed; beyond the front's neighbourhood it is of no use."""


Checked = Mapping[str, tuple[float, float]]
"""Value and standard error by metric; a measured value counts as exact."""


@dataclass(frozen=True)
class Points:
    """The scored architectures of a search: ids, origins and metrics by name (NaN where a score is
    missing).

    Attributes:
        errors: standard errors by metric, 0 where none is known.
        checked: value and standard error of what was found once the search had ended, by id and metric:
            measured on the device, or scored on all validation images.
        front_id: of the stored front, from which `checked` comes; None while there is none.
    """

    ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    origins: tuple[str, ...] = ()
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    baselines: tuple[int, ...] = ()
    last: int = 0
    errors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    checked: Mapping[str, Checked] = field(default_factory=dict)
    front_id: str | None = None

    def column(self, metric: str) -> NDArray[np.float64]:
        """Return the metric of every point (N,), NaN where it is missing."""
        found = self.metrics.get(metric)
        return np.full(len(self.ids), np.nan) if found is None else found

    def error(self, metric: str) -> NDArray[np.float64]:
        """Return the metric's standard error at every point (N,), 0 where it is not known."""
        found = self.errors.get(metric)
        return np.zeros(len(self.ids)) if found is None else found

    def known(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (N,) values and standard errors, what was checked in place of what was searched by."""
        values, errors = self.column(metric).copy(), self.error(metric).copy()
        place = {identifier: index for index, identifier in enumerate(self.ids)} if self.checked else {}
        for identifier, found in self.checked.items():
            if metric in found and identifier in place:
                values[place[identifier]], errors[place[identifier]] = found[metric]
        return values, errors


@dataclass(frozen=True)
class Ranking:
    """What a front is made of: costs (N, M), violations (N,) and the indices of its parts."""

    points: Points
    costs: NDArray[np.float64]
    violations: NDArray[np.float64]
    front: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    """Dominated ones near the front, then those that were found to miss a constraint when checked."""
    nearest: NDArray[np.intp]
    ranks: Mapping[int, int]
    reference: tuple[float, ...] | None
    hypervolume: float


Asked = tuple[str, int, str | None, tuple[Objective, ...], tuple[Constraint, ...]]


class Fronts:
    """Remembers the points of recent searches, since evaluations are only ever added."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, Points] = OrderedDict()
        self._ranked: OrderedDict[Asked, Ranking] = OrderedDict()
        self._lock = threading.Lock()

    def points(self, search_id: str) -> Points:
        """Return every scored architecture of the search, reading only those not seen before."""
        with self._lock:
            known = self._known.get(search_id, Points())
        with self._store.database.read() as tx:
            rows = evaluations.compact(tx, search_id, known.last)
            stored = searches.front_id(tx, search_id)
            document = None if stored == known.front_id else searches.front(tx, search_id)
        if rows:
            known = _extended(known, rows)
        if document is not None:
            known = replace(known, front_id=document[0], checked=_checked(document[1]))
        with self._lock:
            self._known[search_id] = known
            self._known.move_to_end(search_id)
            while len(self._known) > KEPT_SEARCHES:
                self._known.popitem(last=False)
        return known

    def ranking(
        self, search_id: str, objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> Ranking:
        """Return the front of the search's points, computed once for as long as no evaluation is added."""
        points = self.points(search_id)
        asked = (search_id, points.last, points.front_id, tuple(objectives), tuple(constraints))
        with self._lock:
            known = self._ranked.get(asked)
        if known is None:
            known = rank(points, objectives, constraints)
        with self._lock:
            self._ranked[asked] = known
            self._ranked.move_to_end(asked)
            while len(self._ranked) > KEPT_SEARCHES:
                self._ranked.popitem(last=False)
        return known


def rank(points: Points, objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> Ranking:
    """Return the front of the points and what lies about it.

    Once some were checked, the front is that of the checked ones: a prediction beats no measurement, and a
    score on a part of the images none on all of them.
    """
    costs = np.stack([entry.sign * points.known(entry.metric)[0] for entry in objectives], axis=1)
    violations = _violations(points, constraints)
    scored = ~np.isnan(costs).any(axis=1)
    feasible = np.flatnonzero(scored & (violations == 0))
    judged = _judged(points, objectives, feasible)
    best = judged[front(costs[judged])] if len(judged) else judged
    best = best[np.lexsort(costs[best].T[::-1])]
    near = _neighbours(costs, feasible, best)
    disproved = _disproved(points, scored & (violations > 0))
    misses = np.flatnonzero(scored & (violations > 0))
    nearest = misses[np.argsort(violations[misses], kind="stable")][:NEAREST] if not len(best) else misses[:0]
    reference = _reference(costs[scored], objectives, constraints)
    corner = None if reference is None else [o.to_cost(v) for o, v in zip(objectives, reference, strict=True)]
    volume = 0.0 if corner is None or not len(best) else hypervolume(costs[best], corner)
    ranks_of = _ranks(costs, best, near)
    near = np.concatenate([near, disproved])
    return Ranking(points, costs, violations, best, near, nearest, ranks_of, reference, volume)


def _extended(known: Points, rows: Sequence[Compact]) -> Points:
    ok = [row for row in rows if row[3] == "ok"]
    found = json.loads(f"[{','.join(row[4] for row in ok)}]")  # one call is several times as fast as many
    every = {name for metrics in found for name in metrics}
    names = set(known.metrics) | {name for name in every if not name.startswith(ERROR_OF)}
    doubtful = set(known.errors) | {
        name.removeprefix(ERROR_OF) for name in every if name.startswith(ERROR_OF)
    }
    fresh = {
        name: np.array([metrics.get(name, np.nan) for metrics in found], dtype=np.float64) for name in names
    }
    unsure = {
        name: np.array([metrics.get(ERROR_OF + name, 0.0) for metrics in found], dtype=np.float64)
        for name in doubtful
    }
    first = len(known.ids)
    marked = tuple(first + i for i, row in enumerate(ok) if row[2].startswith("baseline:"))
    return Points(
        known.ids + tuple(row[0] for row in ok),
        known.numbers + tuple(row[1] for row in ok),
        known.origins + tuple(row[2] for row in ok),
        {name: np.concatenate([known.column(name), fresh[name]]) for name in names},
        known.baselines + marked,
        rows[-1][1],
        {name: np.concatenate([known.error(name), unsure[name]]) for name in doubtful},
        known.checked,
        known.front_id,
    )


def _checked(document: str) -> dict[str, Checked]:
    """Return what was found of a stored front's members and of the baselines, by id."""
    front = json.loads(document)
    found: dict[str, Checked] = {
        identifier: {metric: (value, 0.0) for metric, value in values.items()}
        for identifier, values in front.get("measured_ids", {}).items()
    }
    for identifier, scores in front.get("verified_ids", {}).items():
        exact = {metric: (value, stderr or 0.0) for metric, (value, stderr) in scores.items()}
        found[identifier] = {**exact, **found.get(identifier, {})}
    return found


def _judged(points: Points, objectives: Sequence[Objective], feasible: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the feasible points that were checked by every objective by which some were, all of them where
    none was.
    """
    wanted = {entry.metric for entry in objectives}
    known = wanted & {metric for found in points.checked.values() for metric in found}
    kept = [i for i in feasible if known <= points.checked.get(points.ids[i], {}).keys()] if known else []
    return np.array(kept, dtype=np.intp) if kept else feasible


def _disproved(points: Points, missing: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the points that were on the front until they were checked, baselines left out."""
    found = [i for i in np.flatnonzero(missing) if points.ids[i] in points.checked] if points.checked else []
    return np.array([i for i in found if i not in points.baselines], dtype=np.intp)


def _violations(points: Points, constraints: Sequence[Constraint]) -> NDArray[np.float64]:
    total = np.zeros(len(points.ids))
    for constraint in constraints:
        low, high = constraint.interval
        values, errors = points.known(constraint.metric)
        reach = HALF_INTERVAL * errors if constraint.certain else np.zeros(len(values))
        for bound, short in ((low, low - (values - reach)), (high, values + reach - high)):
            if np.isfinite(bound):
                total += np.where(short > 0, short / max(abs(bound), 1e-12), 0.0)
        total += np.where(np.isnan(values), np.inf, 0.0)
    return total


def _neighbours(
    costs: NDArray[np.float64], feasible: NDArray[np.intp], best: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the dominated feasible points nearest to the front, in units of the front's extent."""
    rest = np.setdiff1d(feasible, best, assume_unique=True)
    if not len(rest) or not len(best):
        return rest[:0]
    span = np.ptp(costs[feasible], axis=0)
    scaled = (costs / np.where(span > 0, span, 1.0)).T  # (M, N): columns are read one by one
    others = scaled[:, rest]
    gaps = np.full(len(rest), np.inf)
    for member in scaled[:, best].T:
        behind = others[0] - member[0]
        for axis in range(1, len(others)):
            np.maximum(behind, others[axis] - member[axis], out=behind)
        np.minimum(gaps, behind, out=gaps)
    return rest[np.argsort(gaps, kind="stable")[:NEIGHBOURS]]


def _ranks(costs: NDArray[np.float64], best: NDArray[np.intp], near: NDArray[np.intp]) -> dict[int, int]:
    shown = np.concatenate([best, near])[:RANKED]
    if not len(shown):
        return {}
    return {int(index): int(place) for index, place in zip(shown, ranks(costs[shown]), strict=True)}


def _reference(
    costs: NDArray[np.float64], objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> tuple[float, ...] | None:
    """Return the worst value of each objective that counts: the bound on it, else a little behind the
    worst seen.
    """
    if not len(costs):
        return None
    worst, span = costs.max(axis=0), np.ptp(costs, axis=0)
    reference = []
    for index, entry in enumerate(objectives):
        bound = _bound(entry, constraints)
        behind = float(worst[index] + MARGIN * (span[index] or abs(worst[index]) or 1.0))
        reference.append(entry.from_cost(behind) if bound is None else bound)
    return tuple(reference)


def _bound(objective: Objective, constraints: Sequence[Constraint]) -> float | None:
    own = [entry for entry in constraints if entry.metric == objective.metric]
    bounds = [entry.upper if objective.direction == "minimise" else entry.lower for entry in own]
    given = [objective.to_cost(bound) for bound in bounds if bound is not None]
    return objective.from_cost(min(given)) if given else None
