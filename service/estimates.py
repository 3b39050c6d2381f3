"""What a search will cost, from what steps, calibrations and scorings took on this service before."""

from __future__ import annotations

from statistics import median
from typing import Any

from sqlalchemy import Connection, select

from service.models.searches import DeviceSpec, Estimate, NewSearch, Validation
from service.searches import Plan, space_key
from service.states import ENDED, GOOD
from service.store import Store
from service.stores import devices, jobs, supernets
from service.tables import jobs as table

RECENT = 20


def estimate(store: Store, owner: str, request: NewSearch, made: Plan) -> Validation:
    """Return the resolved request with its cost in seconds; null where nothing comparable was measured
    yet.
    """
    from search_space.space import Space

    with store.database.read() as tx:
        training_s = _training_s(tx, request, made)
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


def _training_s(tx: Connection, request: NewSearch, made: Plan) -> float | None:
    """Return the seconds of training that are left to do, None where no step was timed yet."""
    steps = _steps_left(tx, request, made)
    if not steps:
        return 0.0
    per_step = _typical(tx, "train", "step_s")
    return None if per_step is None else per_step * steps


def _steps_left(tx: Connection, request: NewSearch, made: Plan) -> int:
    if made.training is not None:
        return int(made.training["steps"])
    job, supernet = jobs.get(tx, request.supernet_id or ""), supernets.get(tx, request.supernet_id or "")
    if job is None or supernet is None or job.state in ENDED:
        return 0
    return max(0, int(supernet.spec.get("steps", 0)) - int((job.progress or {}).get("step", 0)))


def _calibration_s(tx: Connection, owner: str, request: NewSearch, made: Plan) -> float | None:
    """Return the seconds of calibrating devices that have no predictor for the space yet."""
    missing = sum(not _is_calibrated(tx, owner, wanted, request, made) for wanted in request.devices)
    if not missing:
        return 0.0
    one_s = _typical(tx, "calibrate", "seconds")
    return None if one_s is None else one_s * missing


def _is_calibrated(
    tx: Connection, owner: str, wanted: str | DeviceSpec, request: NewSearch, made: Plan
) -> bool:
    device_id: str | None = wanted if isinstance(wanted, str) else None
    if isinstance(wanted, DeviceSpec):
        known = devices.find(tx, owner, wanted.kind, wanted.model_dump(exclude={"kind"}))
        device_id = None if known is None else known.id
    supernet = supernets.get(tx, request.supernet_id or "")
    if device_id is None or supernet is None:
        return False
    found = devices.usable_predictor(tx, device_id, space_key(made.space, supernet.dataset_id))
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
    query = select(table.c.result).where(table.c.kind == kind, table.c.state.in_(GOOD))
    results = tx.execute(query.order_by(table.c.ended_at.desc()).limit(RECENT)).scalars()
    found: list[float] = []
    for result in results:
        value = (result or {}).get(name)
        if value is not None:
            found.append(float(value))
    return median(found) if found else None
