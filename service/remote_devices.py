"""Devices for the worker: those of this machine, and remote ones whose batches go through the database."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evaluators import devices as plugins
from evaluators.devices.remote import Remote
from evaluators.latency.device import Device
from evaluators.latency.errors import LatencyError, LeaseExpired
from evaluators.latency.leases import BatchRequest, Standing, answer
from evaluators.latency.session import Progress, Session
from service.database import read_clock
from service.records import Device as DeviceRecord
from service.store import Store
from service.stores import agents

LOOK_S = 1.0
GIVE_UP_S = 3600.0
"""Seconds after which a batch that no agent has finished fails."""


def open_device(
    store: Store, record: DeviceRecord, job_id: str, *, check: Callable[[], None] | None = None
) -> Device:
    """Return a stored device, ready to measure for a job.

    Args:
        store: of the service.
        record: the device.
        job_id: what its batches belong to.
        check: called while a remote device is waited for; raises to stop.

    Raises:
        DeviceUnavailable: it is not on this machine, or no agent has enrolled for it.
    """
    threads = record.spec["threads"]
    if record.kind != Remote.name:
        return plugins.load(record.kind, threads=threads)
    exchange = StoredExchange(store, record.id, job_id, check or (lambda: None))
    return Remote(threads, exchange, record.spec.get("provider", "CPUExecutionProvider"))


class StoredExchange:
    """Hands batches to a device's agents through the tables, and models through the file store."""

    def __init__(self, store: Store, device_id: str, job_id: str, check: Callable[[], None]) -> None:
        self._store, self._device_id, self._job_id, self._check = store, device_id, job_id, check

    def description(self) -> Mapping[str, Any] | None:
        """Return what the device's newest agent says of its machine."""
        with self._store.database.read() as tx:
            agent = agents.newest(tx, self._device_id)
        return None if agent is None else agent.description

    def store(self, content: bytes, name: str) -> None:
        """Keep a model under its SHA-256."""
        if self._store.files.exists(name):
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._store.files.put(path)

    def run(self, request: BatchRequest) -> Iterator[Progress | Session]:
        """Yield progress while an agent measures, then the session.

        Raises:
            LatencyError: the batch failed; the message is the agent's problem.
            LeaseExpired: no agent finished it in an hour.
        """
        with self._store.database.write() as tx:
            batch_id = agents.submit(tx, self._device_id, self._job_id, request.to_record(), read_clock(tx))
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < GIVE_UP_S:
            self._check()
            with self._store.database.read() as tx:
                found = agents.batch(tx, batch_id)
            assert found is not None, batch_id
            if found.state in ("done", "failed"):
                yield _session(request, found)
                return
            yield Progress("measure", int(found.state == "leased"), 2, time.monotonic() - begun_s)
            time.sleep(LOOK_S)
        raise LeaseExpired(f"no agent finished the batch within {GIVE_UP_S / 60:.0f} minutes")


def _session(request: BatchRequest, batch: agents.Batch) -> Session:
    if batch.state == "failed" or batch.result is None:
        problem = (batch.result or {}).get("problem") or "the batch failed"
        raise LatencyError(f"the agent's measurement cannot be used: {problem}")
    session = answer(request, batch.result, Standing()).session
    assert session is not None, batch.id
    return session
