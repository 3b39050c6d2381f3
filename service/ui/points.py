"""The points of a Pareto page: all of the front and the baselines, the others thinned evenly, in columns."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.score import CHECKED
from search.objectives import METRICS, Constraint, Objective, metric
from service.errors import Pointed, Unacceptable
from service.fronts import Points, Ranking, rank
from service.pareto import constraints_of, objectives_of
from service.records import Search
from service.store import Store
from service.stores import evaluations

MOST_SHOWN = 1_000
"""Dominated and infeasible points drawn at most: on two cores a browser draws them within a
second and selects from them within a tenth of one.
"""
TAILS = (0.02, 0.98)
"""Quantiles of each metric between which the grid lies that points are thinned by."""
LOOKED_AT = 20
"""Necks by which it is told how many validation images a search scores: all are scored on the same."""
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class View:
    """Which two metrics are looked at, and under which constraints."""

    axes: tuple[Objective, Objective]
    constraints: tuple[Constraint, ...]
    metrics: tuple[str, ...]


def view_of(search: Search, points: Points, x: str | None, y: str | None) -> View:
    """Return the chosen pair of metrics; the search's objectives where none is chosen.

    Raises:
        Unacceptable: a metric that this search has not scored.
    """
    known = tuple(name for name in METRICS if name in points.metrics)
    known += tuple(sorted(name for name in points.metrics if "@" in name))
    wanted = [entry.metric for entry in objectives_of(search.spec)]
    cheap = [name for name in (*wanted, *known, "macs") if metric(name).direction == "minimise"]
    good = [name for name in (*wanted, *known, "ap") if name not in (x, cheap[0])]
    pair = (x or cheap[0], y or good[0])
    for place, name in zip("xy", pair, strict=True):
        if known and name not in known:
            raise Unacceptable(
                Pointed(f"query/{place}", f"this search has no {name!r}: it has {', '.join(known)}")
            )
    if pair[0] == pair[1]:
        raise Unacceptable(Pointed("query/y", "choose two different metrics"))
    return View((Objective(pair[0]), Objective(pair[1])), constraints_of(search.spec), known)


def document(store: Store, search: Search, points: Points, view: View) -> dict[str, Any]:
    """Return what the page draws, JSON-ready."""
    ranking = rank(points, view.axes, view.constraints)
    kept = chosen(ranking)
    with store.database.read() as tx:
        ids = [points.ids[index] for index in kept]
        rows = {row.id: row for found in _batches(ids) for row in evaluations.by_ids(tx, found)}
        later = {
            key: scores
            for found in _batches(ids)
            for key, scores in evaluations.scores_after(tx, found).items()
        }
    position = {int(index): place for place, index in enumerate(kept)}
    scored = [_scores(rows[i].scores, later[i], points.checked.get(i, {})) for i in ids]
    checked = {score["source"] for i in ids if i in points.checked for score in later[i]}
    return {
        "x": _axis(view.axes[0]),
        "y": _axis(view.axes[1]),
        "metrics": {name: _axis(Objective(name)) for name in view.metrics},
        "constraints": [_constraint(entry) for entry in view.constraints],
        "evaluated": len(points.ids),
        "shown": len(kept),
        "measured": "measured" in checked,
        "verified": "verified" in checked,
        "partial": _partial(rows[i].scores for i in ids[:LOOKED_AT]),
        "hypervolume": ranking.hypervolume,
        "reference": ranking.reference,
        "front": [position[int(index)] for index in ranking.front],
        "nearest": [position[int(index)] for index in ranking.nearest],
        "points": _columns(points, ranking, kept) | {"scores": scored},
    }


def chosen(ranking: Ranking, most: int = MOST_SHOWN) -> Indices:
    """Return the indices of the points to draw, in the record's order.

    All of the front, its neighbours, the nearest misses and the baselines; of the rest, at most `most`, taken
    in turn from the cells of a grid over the two metrics, so that sparse regions stay visible.
    """
    marked = [i for i, origin in enumerate(ranking.points.origins) if origin.startswith("baseline:")]
    always = np.unique(
        np.concatenate([ranking.front, ranking.neighbours, ranking.nearest, np.array(marked, dtype=np.intp)])
    )
    scored = np.flatnonzero(~np.isnan(ranking.costs).any(axis=1))
    rest = np.setdiff1d(scored, always, assume_unique=True)
    if len(rest) > most:
        rest = rest[_thinned(ranking.costs[rest], most)]
    always = always[np.isin(always, scored)]
    return np.sort(np.concatenate([always, rest]))


def _thinned(costs: NDArray[np.float64], most: int) -> Indices:
    """Return `most` rows of costs (N, 2): the extremes, then in rounds one of each cell of a grid."""
    side = math.isqrt(most // 2)
    low, high = np.quantile(costs, TAILS, axis=0)
    parts = (costs - low) / np.where(high > low, high - low, 1.0)
    cells = np.clip(parts * side, 0, side - 1).astype(np.intp) @ np.array([side, 1])
    shuffled = np.random.default_rng(0).permutation(len(costs))
    order = shuffled[np.argsort(cells[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    turn = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    picked = order[np.lexsort((np.argsort(shuffled)[order], turn))]
    ends = np.unique(np.concatenate([costs.argmin(axis=0), costs.argmax(axis=0)]))
    return np.concatenate([ends, picked[~np.isin(picked, ends)]])[:most]


def _batches(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _scores(scores: str, later: Sequence[Mapping[str, Any]], judged: Collection[str]) -> dict[str, list[Any]]:
    """Return of a record's `scores` (JSON) by metric: value, standard error, source, and the same again for
    each further score. The first is what the front was judged by: of the metrics in `judged` what was found
    at the end, else what was scored first.
    """
    found: dict[str, list[list[Any]]] = {}
    for score in (*json.loads(scores), *later):
        found.setdefault(score["metric"], []).append([score["value"], score.get("stderr"), score["source"]])
    for name in found.keys() & set(judged):
        found[name].sort(key=lambda entry: entry[2] not in CHECKED)
    return {name: [part for entry in entries for part in entry] for name, entries in found.items()}


def _partial(scores: Iterable[str]) -> dict[str, int] | None:
    """Return on how many of the validation images records' `scores` (JSON) were taken, None where on all."""
    found = (score for text in scores for score in json.loads(text) if score.get("images") is not None)
    first = next(found, None)
    if first is None or first["images"] == first["of_images"]:
        return None
    return {"images": first["images"], "of_images": first["of_images"]}


def _columns(points: Points, ranking: Ranking, kept: Indices) -> dict[str, Any]:
    violations = ranking.violations[kept]
    return {
        "id": [points.ids[index] for index in kept],
        "number": [points.numbers[index] for index in kept],
        "origin": [points.origins[index] for index in kept],
        "violation": [None if not np.isfinite(value) else float(value) for value in violations],
    }


def _axis(objective: Objective) -> dict[str, Any]:
    known = metric(objective.metric)
    return {"metric": known.name, "unit": known.unit, "direction": known.direction, "meaning": known.meaning}


def _constraint(entry: Constraint) -> dict[str, Any]:
    return {"metric": entry.metric, "upper": entry.upper, "lower": entry.lower}
