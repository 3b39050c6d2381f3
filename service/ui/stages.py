"""The jobs behind a search in their order, and the curves of its loss and its hypervolume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from search.pareto import trace
from service.fronts import Points, rank
from service.models.base import JobView, job_fields
from service.pareto import constraints_of, objectives_of
from service.records import Event, Search
from service.states import ENDED, GOOD
from service.stores import events, jobs, supernets

MOST_POINTS = 400
"""Points of a curve that are drawn."""
MOST_TRACED = 4_000
"""Evaluations up to which the hypervolume after each is computed; beyond, after each of as many slices."""
WORDS = {
    "dataset": ("Dataset", "checks every image and counts the objects"),
    "train": ("Training", "trains one supernet that all necks share"),
    "calibrate": ("Calibration", "times some necks on the device and fits a predictor"),
    "search": ("Search", "scores necks and keeps the front"),
}


@dataclass(frozen=True)
class Stage:
    """One job on the way to a front."""

    name: str
    meaning: str
    job: JobView
    step: float | None
    total: float | None
    seconds: float | None
    unit: str = ""


def of(tx: Connection, search: Search) -> list[Stage]:
    """Return the stages of a search, those that were done for an earlier search included."""
    supernet = supernets.get(tx, search.supernet_id)
    dataset_id = None if supernet is None else supernet.dataset_id
    wanted = (dataset_id, search.supernet_id, search.predictor_id, search.id)
    found = [jobs.get(tx, job_id) for job_id in wanted if job_id is not None]
    return [_stage(job.kind, JobView(**job_fields(job))) for job in found if job is not None]


def _stage(kind: str, job: JobView) -> Stage:
    name, meaning = WORDS[kind]
    progress = job.progress or {}
    done = job.state in GOOD
    step, total = (1, 1) if done else (progress.get("step"), progress.get("total"))
    known = job.started_at is not None and job.ended_at is not None
    seconds = (job.ended_at - job.started_at).total_seconds() if known else None  # type: ignore[operator]
    unit = "images, scoring the front on all of them" if progress.get("stage") == "verify" else ""
    return Stage(name, meaning, job, step, total, seconds, unit)


def waits(stages: list[Stage]) -> bool:
    """Return whether an earlier job than the search's own is still to end."""
    return any(stage.job.state not in ENDED for stage in stages[:-1])


def latest(tx: Connection, job_id: str, most: int = 40) -> list[Event]:
    """Return a job's last events, newest first."""
    last = events.last_number(tx, job_id)
    return events.after(tx, job_id, max(0, last - most), limit=most)[::-1]


def losses(tx: Connection, supernet_id: str) -> dict[str, Any]:
    """Return the training's loss by step, for all and by class of architecture, JSON-ready."""
    reports = [event.payload for event in _all(tx, supernet_id) if event.payload.get("loss") is not None]
    reports = reports[:: max(1, len(reports) // MOST_POINTS)]
    classes = list(dict.fromkeys(name for report in reports for name in report.get("losses") or {}))
    return {
        "step": [report["step"] for report in reports],
        "all": [report["loss"] for report in reports],
        "classes": {name: [_of(report, name) for report in reports] for name in classes},
    }


def _of(report: Mapping[str, Any], name: str) -> float | None:
    value: float | None = (report.get("losses") or {}).get(name)
    return value


def _all(tx: Connection, job_id: str) -> Iterator[Event]:
    number = 0
    while found := events.after(tx, job_id, number):
        yield from found
        number = found[-1].number


def hypervolumes(points: Points, search: Search) -> dict[str, Any]:
    """Return the hypervolume by the number of evaluations, up to the present reference point."""
    wanted, bounds = objectives_of(search.spec), constraints_of(search.spec)
    ranking = rank(points, wanted, bounds)
    if ranking.reference is None:
        return {"evaluations": [], "value": [], "reference": None}
    corner = [entry.to_cost(value) for entry, value in zip(wanted, ranking.reference, strict=True)]
    costs = np.where((ranking.violations > 0)[:, None], np.inf, np.nan_to_num(ranking.costs, nan=np.inf))
    at = np.arange(len(costs)) if len(costs) <= MOST_TRACED else _notable(costs, ranking.front)
    volumes = list(trace(costs[at], corner))
    places = np.unique(np.linspace(0, max(0, len(at) - 1), min(len(at), MOST_POINTS)).astype(int))
    return {
        "evaluations": [int(at[place]) + 1 for place in places],
        "value": [float(volumes[place]) for place in places],
        "reference": list(ranking.reference),
    }


def _notable(costs: NDArray[np.float64], front: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the front's indices and those that were best in an objective when they came, in order."""
    best = np.minimum.accumulate(costs, axis=0)
    new = np.flatnonzero((np.diff(best, axis=0, prepend=np.inf) < 0).any(axis=1))
    return np.unique(np.concatenate([new, front, [len(costs) - 1]])).astype(np.intp)
