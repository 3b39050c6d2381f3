"""Measuring a finished search's front on its device, since predictions are not what a user lives with."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from evaluators.latency.device import Device
from evaluators.latency.errors import LatencyError
from evaluators.latency.measuring import Protocol, Session, measure, scores
from evaluators.score import Score
from search_space.architecture import Architecture
from service.remote_devices import open_device
from service.scoring import Bench, Costs
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
    try:
        device = open_device(work.store, bench.device, work.job.id, check=work.check)
        return _measure(work, bench, device, architectures[:MOST])
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
