"""Calibrations that a new device's may start from."""

from __future__ import annotations

from service.database import read_clock
from service.identifiers import new_id
from service.records import Device, Predictor
from service.store import Store
from service.stores import devices, jobs


def calibrated(store: Store, owner: str, document: str | None) -> None:
    """Store a device with a calibration, finished or not."""
    device, predictor = new_id(), new_id()
    with store.database.write() as tx:
        now = read_clock(tx)
        devices.add(tx, Device(device, owner, "here", "torch_cpu", {"threads": 1, "batch": 1}, now))
        jobs.enqueue(tx, jobs.NewJob(predictor, "calibrate", owner, {}))
        devices.add_predictor(tx, Predictor(predictor, device, "space", {}, None, None, None, now))
        if document is not None:
            devices.finish_predictor(tx, predictor, revision="r", document=document, summary={})


def test_only_the_owners_finished_calibrations_are_known(store: Store) -> None:
    calibrated(store, "ada", "first")
    calibrated(store, "ada", None)
    calibrated(store, "bob", "another's")
    calibrated(store, "ada", "second")
    with store.database.read() as tx:
        assert sorted(devices.documents(tx, "ada")) == ["first", "second"]
        assert devices.documents(tx, "eve") == []
