"""The page of devices: how well their latency is predicted, and how to enrol an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from evaluators.latency.errors import LatencyError
from evaluators.latency.predictor import Predictor
from service.callers import CallerDep, StoreDep
from service.models.base import Id
from service.models.devices import DeviceView, PredictorView
from service.paging import Paging, PagingDep
from service.routes import devices as api
from service.routes import supernets as supernets_api
from service.states import ENDED, GOOD
from service.stores import devices, supernets
from service.stores.rows import Page
from service.ui import calibrations
from service.ui.page import PageRoute, render, respond_json

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Calibrated:
    """The newest calibration that a device has, with what the page shows of it; `stale` says why it no longer
    predicts, where it does not.
    """

    view: PredictorView
    predictor: Predictor
    errors: calibrations.Errors
    shares: list[tuple[str, float, float]]
    example: str
    stale: str


@router.get("/devices")
def page(request: Request, caller: CallerDep, store: StoreDep, paging: PagingDep) -> Response:
    """Show the devices with the quality of their predictions."""
    found = api.index(caller, store, paging)
    with store.database.read() as tx:
        known = {device.id: _calibrated(tx, device) for device in found.items}
    trained = supernets_api.index(caller, store, Paging(Page(50), "")).items
    return render(
        request,
        "devices.html",
        found=found,
        calibrated=known,
        supernets=[entry for entry in trained if entry.state in GOOD],
        active=any(entry.state not in ENDED for device in found.items for entry in device.predictors),
    )


@router.get("/devices/{device_id}/scatter")
def scatter(request: Request, device_id: Id, caller: CallerDep, store: StoreDep) -> Response:
    """Return predicted and measured times of the device's newest calibration."""
    device = api.get(device_id, caller, store)
    with store.database.read() as tx:
        known = _calibrated(tx, device)
    return respond_json(request, None if known is None else calibrations.scatter(known.predictor))


def _calibrated(tx: Connection, device: DeviceView) -> Calibrated | None:
    for view in device.predictors:
        stored = devices.predictor(tx, view.id)
        if stored is None or stored.document is None:
            continue
        try:
            predictor = Predictor.from_json(stored.document)
        except LatencyError:  # written by a later version: its figures are not for this one to show
            continue
        errors = calibrations.errors(predictor)
        example = calibrations.example(_space(tx, dict(stored.spec)))
        if example is None:
            return Calibrated(view, predictor, errors, [], "", "")
        try:
            shares = calibrations.shares(predictor, example[1])
        except LatencyError as error:  # of kernels that this version no longer lists
            return Calibrated(view, predictor, errors, [], "", str(error))
        return Calibrated(view, predictor, errors, shares, example[0], "")
    return None


def _space(tx: Connection, spec: dict[str, Any]) -> dict[str, Any]:
    supernet = supernets.get(tx, str(spec.get("supernet", "")))
    return {} if supernet is None else dict(supernet.spec.get("space") or {})
