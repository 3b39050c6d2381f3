"""Calibrates a device for a space: measures a few necks and stores the predictor that they lead to."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import torch

from evaluators.latency.calibrate import Calibration, calibrate
from evaluators.latency.device import Device as Plugin
from evaluators.latency.errors import LatencyError, NewerPredictor
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.measuring import Protocol
from evaluators.latency.predictor import Predictor
from evaluators.latency.transfer import nearest
from search_space.space import Space
from service import trained
from service.records import Device
from service.remote_devices import open_device
from service.stores import devices, jobs
from service.work import JobFailed, Outcome, Work

REPORT_S = 0.5
SESSION_S = 40.0
"""Time after which a measuring session begins no further round, seconds."""


def run(work: Work) -> Outcome:
    """Measure, fit and store."""
    torch.set_num_threads(work.store.settings.torch_threads)
    device, card = _subject(work)
    began_s = time.monotonic()
    try:
        found = _measured(work, device, card)
    except LatencyError as error:
        raise JobFailed("The device could not be calibrated", str(error), pointer="/devices/0") from error
    document = found.predictor.to_json()
    revision = hashlib.sha256(document.encode()).hexdigest()
    summary = _summary(found)
    with work.write() as tx:
        devices.finish_predictor(tx, work.job.id, revision=revision, document=document, summary=summary)
        jobs.progress(
            tx, work.hold.lease, {"step": len(found.architectures), "total": len(found.architectures)}
        )
    return Outcome(result={"seconds": time.monotonic() - began_s, **summary})


def _subject(work: Work) -> tuple[Device, dict[str, Any]]:
    request = work.job.request
    with work.store.database.read() as tx:
        device = devices.get(tx, request["device"])
    assert device is not None, request
    folder = trained.fetch(work.store, request["supernet"])
    return device, json.loads((folder / "supernet.json").read_text())


def _measured(work: Work, device: Device, card: dict[str, Any]) -> Calibration:
    space = Space.load(card["space"])
    plugin = open_device(work.store, device, work.job.id, check=work.check)
    baselines = [space.architecture(genotype) for genotype in space.baselines().values()]
    image_size = (card["image_size"][0], card["image_size"][1])
    events = calibrate(
        plugin,
        space,
        work.job.request["necks"],
        image_size=image_size,
        batch=device.spec["batch"],
        also=baselines[:4],
        prior=_nearest(work, device, plugin, image_size),
        protocol=Protocol(visits=8, most_visits=12, seconds=SESSION_S),
    )
    reported_s = 0.0
    for event in events:
        if isinstance(event, Calibration):
            return event
        work.check()
        if time.monotonic() - reported_s >= REPORT_S:
            reported_s = time.monotonic()
            work.report({"stage": event.stage, "step": event.done, "total": event.total}, event="progress")
    raise AssertionError("a calibration ends with its result")


def _nearest(work: Work, device: Device, plugin: Plugin, image_size: tuple[int, int]) -> Predictor | None:
    """Return the predictor of the owner's most similar device, if there is one."""
    with work.store.database.read() as tx:
        stored = devices.documents(tx, device.owner)
    known = []
    for document in stored:
        with suppress(NewerPredictor):
            known.append(Predictor.from_json(document))
    return nearest(known, plugin.fingerprint(image_size, device.spec["batch"]), plugin.lowering)


def _summary(found: Calibration) -> dict[str, Any]:
    """Return what a user wants to know of a calibration: its error, its noise and what it holds for."""
    return {
        "necks": len(found.architectures),
        "noise_floor": found.noise_floor,
        "median_error": _median_error(found),
        "fingerprint": asdict(found.predictor.fingerprint),
        "started_from": _device_of(found.predictor.started_from),
        "latency_ms": {"least": min(found.times_ms), "most": max(found.times_ms)},
    }


def _device_of(start: Fingerprint | None) -> str | None:
    return None if start is None else f"{start.device}, {start.hardware}"


def _median_error(found: Calibration) -> float:
    """Return the median of the held-out relative errors of ordinary necks."""
    from statistics import median

    residuals = found.predictor.residuals
    held_out = zip(residuals.log_error, residuals.ordinary, strict=True)
    return float(median(abs(error) for error, ordinary in held_out if ordinary))
