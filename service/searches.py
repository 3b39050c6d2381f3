"""Submitting searches: resolving defaults, checking what can be checked, and queueing what is missing
first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from evaluators.latency.kernels import LOWERING_VERSION
from search.errors import SearchError
from service import supernets as training
from service.baselines import check_imports
from service.database import read_clock
from service.datasets import check_room
from service.device_names import device_names
from service.errors import Forbidden, NotFound, Pointed, Unacceptable
from service.identifiers import new_id
from service.models.searches import DeviceSpec, NewSearch
from service.records import Device, Job, Predictor, Search, Supernet
from service.settings import Settings
from service.states import ENDED, GOOD
from service.store import Store
from service.stores import devices, jobs, searches, supernets

BASELINES = ("fpn", "pafpn", "bifpn")
PREFERRED = ("surrogate", "nsga2", "random")
CALIBRATION_NECKS = 32
"""Necks measured to fit a predictor, few enough for a demo and enough for an interval."""


@dataclass(frozen=True)
class Plan:
    """A request with every default filled in: what is stored, and the training that must come first."""

    spec: dict[str, Any]
    space: Mapping[str, Any]
    training: dict[str, Any] | None


def plan(store: Store, owner: str, request: NewSearch) -> Plan:
    """Return what the request asks for, resolved and checked.

    Raises:
        Unacceptable: with pointers to what is wrong.
    """
    _check_budget(request, store.settings)
    strategy = _strategy(request)
    _check_objectives(request)
    _check_devices(request)
    names = device_names(store, owner, request)
    if request.supernet is not None:
        resolved = _inline(store, request)
        space = resolved["space"]
    else:
        resolved = None
        space = _existing(store, owner, request).spec["space"]
    spec = request.model_dump(
        mode="json", exclude={"supernet", "supernet_id", "devices", "label", "priority"}
    )
    spec |= {"strategy": strategy, "baselines": _baselines(request, space)}
    if names:
        spec["devices"] = [{"name": name} for name in names]
    check_imports(store, space, spec["imports"])
    spec["budget"]["parallel"], spec["notices"] = _parallel(request, store.settings)
    return Plan(spec, space, resolved)


def _parallel(request: NewSearch, settings: Settings) -> tuple[int, list[str]]:
    """Return how many evaluations run at once, and what to say where that is fewer than asked for."""
    asked, allowed = request.budget.parallel, settings.parallel
    if asked is None or asked <= allowed:
        return asked or allowed, []
    return allowed, [f"{asked} evaluations at once were asked for, this service runs at most {allowed}"]


def submit(
    store: Store, owner: str, search_id: str, request: NewSearch, *, may_hurry: bool = False
) -> tuple[Search, Job]:
    """Store a search, and whatever must come before it; again with the same id it stores nothing.

    Returns:
        The search and its job as they are stored.

    Raises:
        Unacceptable, TooMany, Unavailable: nothing was stored.
        Forbidden: a raised priority without an admin's key.
    """
    if request.priority > 0 and not may_hurry:
        raise Forbidden("a priority above 0 needs a key with the scope 'admin'")
    store.require_disk()
    made = plan(store, owner, request)
    with store.database.write() as tx:
        active, known = jobs.standing(tx, owner, search_id)
        if known:
            return require_with_job(tx, owner, search_id)
        check_room(active, store.settings)
        supernet_id = request.supernet_id or new_id()
        if request.supernet is not None:
            assert made.training is not None
            training.add(tx, store, owner, supernet_id, request.supernet, made.training)
        return _add(tx, owner, search_id, supernet_id, request, made)


def _add(
    tx: Connection, owner: str, search_id: str, supernet_id: str, request: NewSearch, made: Plan
) -> tuple[Search, Job]:
    chosen = [_device(tx, owner, index, wanted) for index, wanted in enumerate(request.devices)]
    predictors = [calibration(tx, owner, device, made.space, supernet_id) for device in chosen]
    for entry, device, predictor in zip(made.spec.get("devices", ()), chosen, predictors, strict=True):
        entry |= {"device_id": device.id, "predictor_id": predictor}
    needs = (supernet_id, *predictors)
    wanted = jobs.NewJob(search_id, "search", owner, made.spec, priority=request.priority, needs=needs)
    job = jobs.enqueue(tx, wanted)
    label = request.label or f"search {search_id[-6:]}"
    device_id, predictor_id = (chosen[0].id, predictors[0]) if chosen else (None, None)
    now = read_clock(tx)
    search = Search(search_id, owner, label, supernet_id, device_id, predictor_id, made.spec, 0, 0, now)
    searches.add(tx, search)
    return search, job


def calibration(
    tx: Connection, owner: str, device: Device, space: Mapping[str, Any], supernet_id: str
) -> str:
    """Return the id of the device's calibration for the supernet's space and image size, queued now if
    missing.
    """
    supernet = supernets.get(tx, supernet_id)
    assert supernet is not None, supernet_id
    key = space_key(space, supernet.dataset_id)
    known = devices.usable_predictor(tx, device.id, key)
    if known is not None:
        return known.id
    identifier = new_id()
    spec = {"device": device.id, "supernet": supernet_id, "necks": CALIBRATION_NECKS}
    jobs.enqueue(tx, jobs.NewJob(identifier, "calibrate", owner, spec, needs=(supernet_id,)))
    devices.add_predictor(tx, Predictor(identifier, device.id, key, spec, None, None, None, read_clock(tx)))
    return identifier


def space_key(space: Mapping[str, Any], dataset_id: str | None) -> str:
    """Return a digest of what a latency depends on beside the device: the space, the dataset's image size,
    and the version of the kernel lists.
    """
    content = json.dumps([dict(space), dataset_id, LOWERING_VERSION], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def require(tx: Connection, owner: str, search_id: str) -> Search:
    """Return the owner's search.

    Raises:
        NotFound: there is none.
    """
    found = searches.get(tx, search_id, owner)
    if found is None:
        raise NotFound("no such search")
    return found


def require_with_job(tx: Connection, owner: str, search_id: str) -> tuple[Search, Job]:
    """Return the owner's search and its job.

    Raises:
        NotFound: there is none.
    """
    found = searches.get_with_job(tx, search_id, owner)
    if found is None:
        raise NotFound("no such search")
    return found


def _inline(store: Store, request: NewSearch) -> dict[str, Any]:
    assert request.supernet is not None
    try:
        return training.resolve(store, request.supernet)
    except Unacceptable as error:
        faults = [Pointed(f"/supernet{fault.pointer}", fault.detail) for fault in error.faults]
        raise Unacceptable(*faults) from error


def _existing(store: Store, owner: str, request: NewSearch) -> Supernet:
    assert request.supernet_id is not None
    with store.database.read() as tx:
        found = supernets.get_with_job(tx, request.supernet_id, owner)
    if found is None:
        raise Unacceptable(Pointed("/supernet_id", "no such supernet"))
    supernet, job = found
    if job.state in ENDED and job.state not in GOOD:
        raise Unacceptable(Pointed("/supernet_id", f"this supernet is {job.state}: train another"))
    return supernet


def _device(tx: Connection, owner: str, index: int, wanted: str | DeviceSpec) -> Device:
    if isinstance(wanted, DeviceSpec):
        return register_device(tx, owner, wanted)
    device = devices.get(tx, wanted, owner)
    if device is None:
        raise Unacceptable(Pointed(f"/devices/{index}", "no such device"))
    return device


def register_device(tx: Connection, owner: str, wanted: DeviceSpec, name: str | None = None) -> Device:
    """Return the owner's device of this specification, registered now if there is none."""
    spec = wanted.model_dump(exclude={"kind"})
    known = devices.find(tx, owner, wanted.kind, spec)
    if known is not None and name in (None, known.name):
        return known
    device = Device(new_id(), owner, name or wanted.kind, wanted.kind, spec, read_clock(tx))
    devices.add(tx, device)
    return device


def _check_budget(request: NewSearch, settings: Settings) -> None:
    if request.budget.evaluations > settings.max_evaluations:
        detail = f"at most {settings.max_evaluations} evaluations are allowed here"
        raise Unacceptable(Pointed("/budget/evaluations", detail))


def _strategy(request: NewSearch) -> str:
    from search.strategy import load, names

    known = names()
    name = request.strategy or next(preferred for preferred in PREFERRED if preferred in known)
    try:
        load(name, **request.options)  # type: ignore[arg-type]
    except (SearchError, TypeError) as error:
        place = "/options" if name in known else "/strategy"
        raise Unacceptable(Pointed(place, str(error))) from error
    return name


def _check_objectives(request: NewSearch) -> None:
    from search.objectives import Constraint, Objective, reject_contradictions

    faults, bounds = [], []
    for index, name in enumerate(request.objectives):
        try:
            Objective(name)
        except SearchError as error:
            faults.append(Pointed(f"/objectives/{index}", str(error)))
    for index, bound in enumerate(request.constraints):
        try:
            bounds.append(
                Constraint(bound.metric, upper=bound.upper, lower=bound.lower, certain=bound.certain)
            )
        except SearchError as error:
            faults.append(Pointed(f"/constraints/{index}", str(error)))
    try:
        reject_contradictions(bounds)
    except SearchError as error:
        faults.append(Pointed("/constraints", str(error)))
    if len(set(request.objectives)) < len(request.objectives):
        faults.append(Pointed("/objectives", "each metric can be an objective once"))
    faults += _unmeasured(request)
    if faults:
        raise Unacceptable(*faults)


def _unmeasured(request: NewSearch) -> list[Pointed]:
    if request.devices:
        return []
    detail = "latency needs a device: name one in devices"
    objectives = [(f"/objectives/{i}", name) for i, name in enumerate(request.objectives)]
    bounds = [(f"/constraints/{i}/metric", bound.metric) for i, bound in enumerate(request.constraints)]
    return [Pointed(place, detail) for place, name in objectives + bounds if name.startswith("latency")]


def _baselines(request: NewSearch, space: Mapping[str, Any]) -> list[str]:
    """Return the published necks to score; left out, those that the space contains, and FPN, PAFPN, BiFPN."""
    from search_space import reference
    from search_space.errors import near

    if request.baselines is None:
        return list(default_baselines(space))
    known = reference.names()
    for index, name in enumerate(request.baselines):
        if name not in known:
            raise Unacceptable(
                Pointed(f"/baselines/{index}", f"no published neck {name!r}{near(name, known)}")
            )
    return list(request.baselines)


def default_baselines(space: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the published necks that are scored where a search names none."""
    return (*BASELINES, *_contained(json.dumps(dict(space), sort_keys=True)))


@lru_cache(maxsize=64)
def _contained(space: str) -> tuple[str, ...]:
    """Return the published necks that a space contains, those aside that are always scored."""
    from search_space import reference
    from search_space.space import Space

    known = set(reference.names()) - set(BASELINES)
    return tuple(name for name in Space.load(json.loads(space)).baselines() if name in known)


def _check_devices(request: NewSearch) -> None:
    for index, wanted in enumerate(request.devices):
        if isinstance(wanted, DeviceSpec):
            check_device(wanted, f"/devices/{index}/kind")


def check_device(wanted: DeviceSpec, pointer: str) -> None:
    """Refuse a kind of device that nothing defines.

    Raises:
        Unacceptable: with near matches.
    """
    import pkgutil

    from evaluators import devices as plugins
    from search_space.errors import near

    known = [entry.name for entry in pkgutil.iter_modules(plugins.__path__)]
    if wanted.kind not in known:
        raise Unacceptable(Pointed(pointer, f"no device {wanted.kind!r}{near(wanted.kind, known)}"))
