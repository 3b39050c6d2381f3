"""A search's front for a client: the one it was searched for, or one for other objectives and bounds."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from sqlalchemy import Connection

from evaluators.score import CHECKED
from search.errors import SearchError
from search.objectives import Constraint, Objective
from service.errors import Pointed, Unacceptable
from service.fronts import Fronts, Ranking
from service.models.subnets import AxisView, FrontView, PointView, ScoreView
from service.records import Search
from service.store import Store
from service.stores import evaluations, searches

BOUND = re.compile(r"([a-z0-9_@.\-A-Z]+)(<=|>=)(-?[0-9.eE+\-]+)")


def objectives_of(spec: Mapping[str, Any], wanted: str | None = None) -> tuple[Objective, ...]:
    """Return the search's objectives, or those that a client names, separated by commas.

    Raises:
        Unacceptable: an unknown metric, or not one to four of them.
    """
    names = spec["objectives"] if wanted is None else wanted.split(",")
    if not 1 <= len(names) <= 4 or len(set(names)) < len(names):
        raise Unacceptable(Pointed("query/objectives", "one to four different metrics"))
    try:
        return tuple(Objective(name) for name in names)
    except SearchError as error:
        raise Unacceptable(Pointed("query/objectives", str(error))) from error


def constraints_of(spec: Mapping[str, Any], wanted: str | None = None) -> tuple[Constraint, ...]:
    """Return the search's constraints, or those that a client names, such as ``latency_ms<=12,ap>=0.4``.

    Raises:
        Unacceptable: not such a list.
    """
    if wanted is None:
        return tuple(
            Constraint(
                e["metric"], upper=e.get("upper"), lower=e.get("lower"), certain=bool(e.get("certain"))
            )
            for e in spec["constraints"]
        )
    return tuple(parse_bound(text, "query/constraints") for text in wanted.split(",") if text)


def parse_bound(text: str, place: str) -> Constraint:
    """Return the constraint that ``metric<=value`` or ``metric>=value`` stands for.

    Raises:
        Unacceptable: it is neither.
    """
    found = BOUND.fullmatch(text)
    try:
        if found is None:
            raise ValueError(f"{text!r} is not metric<=value or metric>=value")
        metric, sign, value = found.groups()
        bound = float(value)
        return Constraint(metric, upper=bound) if sign == "<=" else Constraint(metric, lower=bound)
    except ValueError as error:
        raise Unacceptable(Pointed(place, str(error))) from error


def live_front(
    store: Store, fronts: Fronts, search: Search, objectives: str | None, constraints: str | None
) -> FrontView:
    """Return the front of everything that the search has stored so far."""
    wanted, bounds = objectives_of(search.spec, objectives), constraints_of(search.spec, constraints)
    ranking = fronts.ranking(search.id, wanted, bounds)
    with store.database.read() as tx:
        stored = searches.front(tx, search.id)
        return _view(tx, search, wanted, bounds, ranking, stored)


def to_csv(front: FrontView) -> str:
    """Return the front, its baselines and its neighbours as CSV with a header.

    A metric's own columns are of what was searched by; what was measured, or verified on all validation
    images, follows in columns of its own.
    """
    metrics = sorted({score.metric for point in _every(front) for score in point.scores})
    later = sorted({name for point in _every(front) for name in _later(point)})
    table = io.StringIO()
    writer = csv.writer(table)
    fixed = ["id", "number", "origin", "feasible", "rank"]
    writer.writerow(
        [*fixed, *(f"{metric}{part}" for metric in metrics for part in ("", "_stderr", "_source"))]
        + [f"{name}{part}" for name in later for part in ("", "_stderr")]
    )
    for point in _every(front):
        scores = {score.metric: score for score in reversed(point.scores)}
        row: list[Any] = [point.id, point.number, point.origin, point.feasible, point.rank]
        for metric in metrics:
            score = scores.get(metric)
            row += ["", "", ""] if score is None else [score.value, score.stderr, score.source]
        found = _later(point)
        for name in later:
            row += [found[name].value, found[name].stderr] if name in found else ["", ""]
        writer.writerow(row)
    return table.getvalue()


def _later(point: PointView) -> dict[str, ScoreView]:
    """Return what was found at the end beside what was searched by, such as ``ap_verified``."""
    first = {score.metric: score for score in reversed(point.scores)}
    checked = (score for score in point.scores if score.source in CHECKED)
    return {f"{score.metric}_{score.source}": score for score in checked if score is not first[score.metric]}


def _every(front: FrontView) -> list[PointView]:
    points = [*front.points, *front.baselines, *front.neighbours, *front.nearest]
    return list({point.id: point for point in points}.values())


def _view(
    tx: Connection,
    search: Search,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    ranking: Ranking,
    stored: tuple[str, str] | None,
) -> FrontView:
    parts: dict[str, list[int]] = {
        "points": ranking.front.tolist(),
        "neighbours": ranking.neighbours.tolist(),
        "baselines": list(ranking.points.baselines),
        "nearest": ranking.nearest.tolist(),
    }
    shown = {index for part in parts.values() for index in part}
    views = _points(tx, ranking, sorted(shown), objectives)
    lists = {name: [views[index] for index in part] for name, part in parts.items()}
    return FrontView(
        search_id=search.id,
        id=None if stored is None else stored[0],
        objectives=[
            AxisView(metric=e.metric, direction=str(e.direction), unit=str(e.unit)) for e in objectives
        ],
        constraints=[asdict(entry) for entry in constraints],
        points=lists["points"],
        neighbours=lists["neighbours"],
        baselines=lists["baselines"],
        nearest=lists["nearest"],
        hypervolume=ranking.hypervolume,
        reference=None if ranking.reference is None else list(ranking.reference),
        evaluated=len(ranking.points.ids),
        provenance=None if stored is None else json.loads(stored[1]).get("provenance"),
    )


def _points(
    tx: Connection, ranking: Ranking, shown: Iterable[int], objectives: Sequence[Objective]
) -> dict[int, PointView]:
    ids = {index: ranking.points.ids[index] for index in shown}
    stored = {entry.id: entry for entry in evaluations.by_ids(tx, list(ids.values()))}
    later = evaluations.scores_after(tx, list(ids.values()))
    found = {}
    for index, identifier in ids.items():
        scores = [*json.loads(stored[identifier].scores), *later[identifier]]
        violation = float(ranking.violations[index])
        found[index] = PointView(
            id=identifier,
            number=ranking.points.numbers[index],
            origin=ranking.points.origins[index],
            values={
                e.metric: float(v)
                for e in objectives
                if np.isfinite(v := ranking.points.column(e.metric)[index])
            },
            scores=[ScoreView(**score) for score in scores],
            feasible=violation == 0,
            rank=ranking.ranks.get(index, 1),
            violation=violation if np.isfinite(violation) else 1e308,
        )
    return found
