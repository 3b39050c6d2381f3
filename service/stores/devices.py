"""Devices and their calibrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select, update

from service.records import Device, Predictor
from service.states import ENDED, GOOD
from service.stores.rows import Page, columns, many, one, paged
from service.tables import devices, jobs, predictors

KNOWN = 32
"""Calibrations that a new device's nearest is looked for among, the newest."""


def add(tx: Connection, device: Device) -> None:
    """Store a new device."""
    tx.execute(insert(devices).values(**asdict(device)))


def get(tx: Connection, device_id: str, owner: str | None = None) -> Device | None:
    """Return the device, None if there is none or it is another owner's."""
    query = select(devices).where(devices.c.id == device_id)
    return one(tx, Device, query if owner is None else query.where(devices.c.owner == owner))


def find(tx: Connection, owner: str, kind: str, spec: Mapping[str, Any]) -> Device | None:
    """Return the owner's oldest device of this kind and specification."""
    query = select(devices).where(devices.c.owner == owner, devices.c.kind == kind)
    known = many(tx, Device, query.order_by(devices.c.created_at))
    return next((device for device in known if dict(device.spec) == dict(spec)), None)


def page(tx: Connection, owner: str, page: Page) -> list[Device]:
    """Return one page of the owner's devices, newest first."""
    query = select(devices).where(devices.c.owner == owner)
    return many(tx, Device, paged(query, (devices.c.created_at, devices.c.id), page))


def add_predictor(tx: Connection, predictor: Predictor) -> None:
    """Store a calibration to be made; its job must be stored already."""
    tx.execute(insert(predictors).values(**asdict(predictor)))


def predictor(tx: Connection, predictor_id: str) -> Predictor | None:
    """Return the calibration, None if there is none."""
    return one(tx, Predictor, select(predictors).where(predictors.c.id == predictor_id))


def predictors_of(tx: Connection, device_id: str) -> list[Predictor]:
    """Return the device's calibrations, newest first."""
    query = select(predictors).where(predictors.c.device_id == device_id)
    return many(tx, Predictor, query.order_by(predictors.c.created_at.desc(), predictors.c.id))


def documents(tx: Connection, owner: str) -> list[str]:
    """Return the coefficients of the owner's finished calibrations, newest first."""
    query = (
        select(predictors.c.document)
        .join(devices, devices.c.id == predictors.c.device_id)
        .where(devices.c.owner == owner, predictors.c.document.is_not(None))
        .order_by(predictors.c.created_at.desc(), predictors.c.id)
    )
    return [str(document) for document in tx.execute(query.limit(KNOWN)).scalars()]


def usable_predictor(tx: Connection, device_id: str, space_key: str) -> Predictor | None:
    """Return the newest calibration for the space that has succeeded or may still do so."""
    query = (
        select(*columns(predictors, Predictor))
        .join(jobs, jobs.c.id == predictors.c.id)
        .where(predictors.c.device_id == device_id, predictors.c.space_key == space_key)
        .where(jobs.c.state.not_in([state for state in ENDED if state not in GOOD]))
        .order_by(predictors.c.created_at.desc(), predictors.c.id)
    )
    return one(tx, Predictor, query.limit(1))


def finish_predictor(
    tx: Connection, predictor_id: str, *, revision: str, document: str, summary: Mapping[str, Any]
) -> None:
    """Store a finished calibration."""
    values = {"revision": revision, "document": document, "summary": dict(summary)}
    tx.execute(update(predictors).where(predictors.c.id == predictor_id).values(**values))
