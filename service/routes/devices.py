"""Routes of devices and their calibrations."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from service import searches as submitting
from service import supernets as training
from service.callers import CallerDep, StoreDep
from service.database import read_clock
from service.datasets import require_room
from service.errors import NotFound, Pointed, Unacceptable
from service.models.base import Id, PageView, job_fields, moment
from service.models.devices import DeviceView, NewDevice, NewPredictor, PredictorView
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import Device, Predictor
from service.replay import FreshId, StrictRoute
from service.stores import devices, jobs

router = APIRouter(prefix="/devices", tags=["devices"], route_class=StrictRoute)
MADE = links(201, ("get_device", "device_id"), ("post_predictor", "device_id"))


@router.post("", status_code=201, responses=REFUSALS | MADE, operation_id="post_device")
def post(
    request: NewDevice, caller: CallerDep, store: StoreDep, identifier: FreshId, response: Response
) -> DeviceView:
    """Register a device."""
    submitting.check_device(request, "/kind")
    with store.database.write() as tx:
        device = devices.get(tx, identifier)
        if device is None:
            spec = request.model_dump(exclude={"kind", "name"})
            name = request.name or request.kind
            device = Device(identifier, caller.owner, name, request.kind, spec, read_clock(tx))
            devices.add(tx, device)
        response.headers["Location"] = f"/api/v1/devices/{device.id}"
        return _view(tx, device)


@router.get("", responses=REFUSALS, operation_id="list_devices")
def index(caller: CallerDep, store: StoreDep, paging: PagingDep) -> PageView[DeviceView]:
    """List the caller's devices, newest first."""
    with store.database.read() as tx:
        kept, token = paging.cut(devices.page(tx, caller.owner, paging.page), ("created_at", "id"))
        return PageView(items=[_view(tx, device) for device in kept], next_page_token=token)


@router.get("/{device_id}", responses=REFUSALS, operation_id="get_device")
def get(device_id: Id, caller: CallerDep, store: StoreDep) -> DeviceView:
    """Return one device with its calibrations."""
    with store.database.read() as tx:
        return _view(tx, require(tx, caller.owner, device_id))


@router.post("/{device_id}/predictors", status_code=202, responses=REFUSALS, operation_id="post_predictor")
def calibrate(device_id: Id, request: NewPredictor, caller: CallerDep, store: StoreDep) -> PredictorView:
    """Queue a calibration for a supernet's space; the one there is returned, if there is one."""
    store.require_disk()
    with store.database.write() as tx:
        device = require(tx, caller.owner, device_id)
        try:
            supernet = training.require(tx, caller.owner, request.supernet_id)
        except NotFound as error:
            raise Unacceptable(Pointed("/supernet_id", str(error))) from error
        require_room(tx, caller.owner, store.settings)
        identifier = submitting.calibration(tx, caller.owner, device, supernet.spec["space"], supernet.id)
        predictor = devices.predictor(tx, identifier)
        assert predictor is not None, identifier
        return _predictor_view(tx, predictor)


@router.get("/{device_id}/predictors/{predictor_id}", responses=REFUSALS, operation_id="get_predictor")
def get_predictor(device_id: Id, predictor_id: Id, caller: CallerDep, store: StoreDep) -> PredictorView:
    """Return one calibration and how far it is."""
    with store.database.read() as tx:
        require(tx, caller.owner, device_id)
        predictor = devices.predictor(tx, predictor_id)
        if predictor is None or predictor.device_id != device_id:
            raise NotFound("no such calibration")
        return _predictor_view(tx, predictor)


def require(tx: Connection, owner: str, device_id: str) -> Device:
    """Return the owner's device.

    Raises:
        NotFound: there is none.
    """
    device = devices.get(tx, device_id, owner)
    if device is None:
        raise NotFound("no such device")
    return device


def _view(tx: Connection, device: Device) -> DeviceView:
    created_at = moment(device.created_at)
    assert created_at is not None
    return DeviceView(
        id=device.id,
        name=device.name,
        kind=device.kind,
        spec=dict(device.spec),
        created_at=created_at,
        predictors=[_predictor_view(tx, found) for found in devices.predictors_of(tx, device.id)],
    )


def _predictor_view(tx: Connection, predictor: Predictor) -> PredictorView:
    job = jobs.get(tx, predictor.id)
    assert job is not None, predictor.id
    return PredictorView(
        **job_fields(job),
        id=predictor.id,
        device_id=predictor.device_id,
        revision=predictor.revision,
        summary=None if predictor.summary is None else dict(predictor.summary),
    )
