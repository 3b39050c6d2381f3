"""What a search will cost, from what steps, calibrations and scorings took on this service before."""

from __future__ import annotations

from statistics import median
from typing import Any

from sqlalchemy import Connection, select

from service.models.searches import Estimate, NewSearch, Validation
from service.searches import Plan, space_key
from service.states import GOOD
from service.store import Store
from service.stores import devices, supernets
from service.tables import jobs

RECENT = 20


def estimate(store: Store, owner: str, request: NewSearch, made: Plan) -> Validation:
    """Return the resolved request with its cost in seconds; null where nothing comparable was measured
    yet.
    """
    from search_space.space import Space

    with store.database.read() as tx:
        training_s = _training_s(tx, made)
        calibration_s = _calibration_s(tx, owner, request, made)
        searching_s = _searching_s(tx, made)
    parts = (training_s, calibration_s, searching_s)
    total_s = None if None in parts else sum(part for part in parts if part is not None)
    cost = Estimate(
        training_s=training_s,
        calibration_s=calibration_s,
        searching_s=searching_s,
        total_s=total_s,
        basis=f"medians of up to {RECENT} finished jobs of this service, per step and per evaluation",
    )
    limits = {
        "max_evaluations": store.settings.max_evaluations,
        "max_active_jobs": store.settings.max_active_jobs,
        "max_parallel": store.settings.parallel,
    }
    size = Space.load(made.space).size()
    return Validation(space_size=str(size), resolved=made.spec, estimate=cost, limits=limits)


def _training_s(tx: Connection, made: Plan) -> float | None:
    if made.training is None:
        return 0.0
    per_step = _typical(tx, "train", "step_s")
    return None if per_step is None else per_step * made.training["steps"]


def _calibration_s(tx: Connection, owner: str, request: NewSearch, made: Plan) -> float | None:
    if not request.devices or _is_calibrated(tx, request, made):
        return 0.0
    return _typical(tx, "calibrate", "seconds")


def _is_calibrated(tx: Connection, request: NewSearch, made: Plan) -> bool:
    wanted = request.devices[0]
    if not isinstance(wanted, str) or request.supernet_id is None:
        return False
    supernet = supernets.get(tx, request.supernet_id)
    if supernet is None:
        return False
    found = devices.usable_predictor(tx, wanted, space_key(made.space, supernet.dataset_id))
    return found is not None and found.revision is not None


def _searching_s(tx: Connection, made: Plan) -> float | None:
    per_evaluation, start_s = _typical(tx, "search", "evaluation_s"), _typical(tx, "search", "overhead_s")
    if per_evaluation is None or start_s is None:
        return None
    budget: dict[str, Any] = made.spec["budget"]
    wanted: float = per_evaluation * (budget["evaluations"] + len(made.spec["baselines"])) + start_s
    wall_s: float | None = budget["wall_s"]
    return wanted if wall_s is None else min(wanted, wall_s + start_s)


def _typical(tx: Connection, kind: str, name: str) -> float | None:
    """Return the median of a number that finished jobs of a kind recorded in their results."""
    query = select(jobs.c.result).where(jobs.c.kind == kind, jobs.c.state.in_(GOOD))
    results = tx.execute(query.order_by(jobs.c.ended_at.desc()).limit(RECENT)).scalars()
    found: list[float] = []
    for result in results:
        value = (result or {}).get(name)
        if value is not None:
            found.append(float(value))
    return median(found) if found else None
