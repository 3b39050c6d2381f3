"""Measuring a finished search's front on its device, since predictions are not what a user lives with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from evaluators.latency.device import Device
from evaluators.latency.errors import LatencyError
from evaluators.latency.measuring import Protocol, Session, measure, scores
from evaluators.score import Score
from search_space.architecture import Architecture
from service.records import Device as StoredDevice
from service.remote_devices import open_device
from service.scoring import Bench, Costs, on_device
from service.work import Work

MOST = 48
SESSION_S = 60.0
log = structlog.get_logger("verification")


def measured_scores(
    work: Work, bench: Bench, architectures: Sequence[Architecture]
) -> list[tuple[Score, ...]]:
    """Return measured latencies of the first architectures, none where the device is not here any more."""
    if bench.device is None or not architectures:
        return []
    if not bench.placed:
        return _on_one(work, bench, bench.device, architectures)
    lists = []
    for place in bench.placed:
        costs = Costs(bench.image_size, place.predictor)
        own = _on_one(work, replace(bench, costs=costs), place.device, architectures)
        plain = place.device.id == bench.device.id
        lists.append([_named(found, place.name, plain=plain) for found in own])
    most = max(len(found) for found in lists)
    return [
        tuple(score for found in lists for score in (found[index] if index < len(found) else ()))
        for index in range(most)
    ]


def _named(found: Sequence[Score], name: str, *, plain: bool) -> tuple[Score, ...]:
    """Return latencies under their device's name, and without it where the device is the search's first."""
    return (*(found if plain else ()), *(on_device(score, name) for score in found))


def _on_one(
    work: Work, bench: Bench, place: StoredDevice, architectures: Sequence[Architecture]
) -> list[tuple[Score, ...]]:
    try:
        device = open_device(work.store, place, work.job.id, check=work.check)
        return _measure(work, replace(bench, device=place), device, architectures[:MOST])
    except LatencyError as error:
        log.warning("front.unmeasured", reason=str(error))
        work.report({"stage": "verify", "step": 0, "total": 0, "notice": str(error)}, event="notice")
        return []


def _aligned(session: Session, bench: Bench) -> Session:
    """Return the session with its labels as on the machine when it was calibrated, if it is slower now."""
    predictor = bench.costs.predictor if isinstance(bench.costs, Costs) else None
    known_ms = None if predictor is None else predictor.reference_ms
    return session if known_ms is None else session.at_reference(min(known_ms, session.reference_ms))


def _measure(
    work: Work, bench: Bench, device: Device, architectures: Sequence[Architecture]
) -> list[tuple[Score, ...]]:
    protocol = Protocol(visits=8, most_visits=12, seconds=SESSION_S)
    assert bench.device is not None
    batch = bench.device.spec["batch"]
    for event in measure(device, architectures, image_size=bench.image_size, batch=batch, protocol=protocol):
        if isinstance(event, Session):
            return [scores(measured) for measured in _aligned(event, bench).measured]
        work.check()
    raise AssertionError("a measurement ends with its session")
