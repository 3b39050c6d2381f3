"""The worker: takes jobs from the queue, beats while it works, and sweeps up after dead workers.

A process has two lanes, a thread each, so that an artifact does not wait for a training. A third thread beats
for both and sweeps. Every write of a job is guarded by its lease, so it does no harm when two workers believe
that they hold the same job: one of them can write nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.contextvars import bound_contextvars

from service import answers
from service.errors import LeaseLost, StopRequested
from service.files import free_bytes
from service.identifiers import new_id
from service.jobs import runner
from service.records import Job, Lease
from service.states import ENDED, State
from service.store import Store
from service.stores import jobs, workers
from service.work import Hold, JobFailed, NotReady, Outcome, TryAgain, Work

LAST_BEAT_S = 10.0
"""For so long a worker that ends waits for a beat that is under way."""
LANES: Mapping[str, tuple[str, ...]] = {
    "long": ("train", "search", "calibrate", "finetune", "finalists", "rank"),
    "short": ("dataset", "artifact"),
}
FULL_BYTES = 2**20
"""Free space below which a disk counts as full, bytes."""
log = structlog.get_logger("worker")
Runner = Callable[[Work], Outcome]
Ended = Outcome | JobFailed | TryAgain | StopRequested | OperationalError
"""How a runner may end, the loss of its lease left out."""


def worker_name() -> str:
    """Return a name for this process that no other worker has; it tells `has_died` where the process runs."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{_place()}:{new_id()[-6:]}"


def has_died(worker: str | None) -> bool:
    """Return whether a worker is known to be dead: it ran among this machine's processes, and is not there.

    Of workers on other machines, in other containers, or with names of their own, only their silence tells.
    """
    parts = (worker or "").split(":")
    if len(parts) != 4 or parts[2] != _place() or not parts[1].isdecimal():
        return False
    return not Path(f"/proc/{parts[1]}").exists()


@cache
def _place() -> str:
    """Return a digest of the machine's boot and the process namespace, within which ids mean one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256(f"{boot}{Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:10]
    except OSError:
        return new_id()[-10:]


@dataclass
class Watch:
    """Leases as another process would see them: a job whose beats stand still is lost, whatever the
    clocks say.
    """

    patience_s: float
    seen: dict[Lease, tuple[int, float]] = field(default_factory=dict)

    def silent(self, held: list[Job], now_s: float) -> list[Job]:
        """Return the jobs that have not beaten for longer than the patience, on a monotonic clock."""
        known, self.seen = self.seen, {}
        for job in held:
            beats, since = known.get(job.lease, (job.beats, now_s))
            self.seen[job.lease] = (beats, since) if beats == job.beats else (job.beats, now_s)
        return [job for job in held if now_s - self.seen[job.lease][1] > self.patience_s]


class Worker:
    """One process's share of the work."""

    def __init__(
        self,
        store: Store,
        *,
        name: str | None = None,
        lanes: Mapping[str, tuple[str, ...]] = LANES,
        find_runner: Callable[[str], Runner] = runner,
    ) -> None:
        self.name = name or worker_name()
        self._store, self._lanes, self._find_runner = store, lanes, find_runner
        self._stopping = threading.Event()
        self._holds: dict[str, Hold] = {}
        self._holds_lock = threading.Lock()
        self._watch = Watch(store.settings.lease_s)
        self._broken: str | None = None

    def run(self) -> None:
        """Work until ``stop`` is called, then let every job go where the next worker finds it."""
        log.info("worker.start", worker=self.name)
        threads = [
            threading.Thread(target=self._lane, args=(kinds,), name=lane)
            for lane, kinds in self._lanes.items()
        ]
        beating = threading.Thread(target=self._beat_until_idle, name="beat", daemon=True)
        for thread in (*threads, beating):
            thread.start()
        for thread in threads:
            thread.join()
        beating.join(LAST_BEAT_S)
        self._forget()
        log.info("worker.end", worker=self.name)

    def stop(self) -> None:
        """Ask every job to stop at its next safe point, and take no more; safe in a signal handler."""
        self._stopping.set()
        for hold in list(self._holds.values()):
            hold.stop.set()

    def run_one(self, kinds: tuple[str, ...]) -> bool:
        """Take one job of these kinds, work on it to its end, and return whether to look for more at once.

        There may be none; and where the database broke off, on a full disk say, it is given time.
        """
        settings = self._store.settings
        with self._store.database.write() as tx:
            job = jobs.claim(tx, worker=self.name, kinds=kinds, lease_s=settings.lease_s)
        if job is None:
            return False
        with (
            bound_contextvars(job=job.id, kind=job.kind, attempt=job.attempt, epoch=job.epoch),
            self._held(job) as hold,
        ):
            return self._attempt(Work(job, self._store, hold))

    def beat(self) -> None:
        """Renew every lease of this process, and pass on what the beats tell."""
        settings = self._store.settings
        with self._store.database.write(durable=False) as tx:
            workers.seen(tx, self.name, {"jobs": sorted(self._holds), "ray_error": self._broken})
        for hold in list(self._holds.values()):
            try:
                with self._store.database.write(durable=False) as tx:
                    state = jobs.beat(tx, hold.lease, lease_s=settings.lease_s)
            except LeaseLost:
                hold.lost.set()
                continue
            if state in (State.CANCELLING, State.PAUSING):
                hold.stop.set()

    def sweep(self) -> int:
        """Return to the queue what silent and dead workers hold, and return how many jobs that were."""
        attempts = self._store.settings.attempts
        with self._store.database.read() as tx:
            gone = {job.lease: job for job in jobs.lost(tx)}
            held = jobs.held(tx)
        gone |= {job.lease: job for job in self._watch.silent(held, time.monotonic())}
        gone |= {job.lease: job for job in held if has_died(job.worker)}
        swept = 0
        for job in gone.values():
            with self._store.database.write() as tx:
                state = jobs.reclaim(tx, job, attempts=attempts)
            if state is not None:
                swept += 1
                log.warning("job.reclaimed", job=job.id, kind=job.kind, holder=job.worker, state=state)
        return swept

    def _lane(self, kinds: tuple[str, ...]) -> None:
        while not self._stopping.is_set():
            try:
                worked = self.run_one(kinds)
            except DBAPIError as error:
                log.warning("database.unavailable", error=str(error.orig))
                worked = False
            if not worked:
                self._stopping.wait(self._store.settings.poll_s)

    def _beat_until_idle(self) -> None:
        settings = self._store.settings
        duties = ((self.beat, settings.heartbeat_s), (self.sweep, settings.sweep_s))
        due_s = dict.fromkeys((duty for duty, _ in duties), 0.0)
        while not self._stopping.is_set() or self._holds:
            try:
                for duty, every_s in duties:
                    if time.monotonic() >= due_s[duty]:
                        due_s[duty] = time.monotonic() + every_s
                        duty()
            except DBAPIError as error:
                log.warning("database.unavailable", error=str(error.orig))
            self._stopping.wait(max(0.05, min(due_s.values()) - time.monotonic()))
            if self._stopping.is_set():
                time.sleep(min(settings.heartbeat_s, 0.2))

    @contextmanager
    def _held(self, job: Job) -> Iterator[Hold]:
        hold = Hold(job.lease)
        with self._holds_lock:
            self._holds[job.id] = hold
        if self._stopping.is_set():
            hold.stop.set()
        try:
            yield hold
        finally:
            with self._holds_lock:
                del self._holds[job.id]

    def _attempt(self, work: Work) -> bool:
        log.info("job.start")
        try:
            outcome = self._outcome(work)
            self._finish(work, outcome)
        except LeaseLost as error:
            log.warning("job.lost", reason=str(error))
            return True
        return not isinstance(outcome, OperationalError | NotReady)

    def _outcome(self, work: Work) -> Ended:
        """Return how the runner ended; this is the one place that catches every exception."""
        try:
            with self._store.database.write() as tx:
                jobs.start(tx, work.hold.lease)
            work.check()
            return self._find_runner(work.job.kind)(work)
        except LeaseLost:
            raise
        except (StopRequested, JobFailed, TryAgain, OperationalError) as error:
            return error
        except Exception as error:  # whatever a runner raises is the job's failure, not the worker's
            log.exception("job.error")
            if self._disk_is_full(error):
                return NotReady("the disk is full")
            return JobFailed(f"The {work.job.kind} failed", f"{type(error).__name__}: {error}")

    def _disk_is_full(self, error: Exception) -> bool:
        """Return whether that is why a runner failed; libraries raise errors of their own for it."""
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        return free_bytes(self._store.settings.data) < FULL_BYTES

    def _finish(self, work: Work, outcome: Ended) -> None:
        """Write the job's end, trying again while the database is away for as long as the lease may live."""
        patience = time.monotonic() + 10 * self._store.settings.lease_s
        while True:
            try:
                state = self._write_end(work, outcome)
                log.info("job.end", state=state)
                if work.job.kind == "search" and state in ENDED:
                    self._prepare_answer(work.job.id)
                return
            except OperationalError as error:
                log.warning("database.unavailable", error=str(error.orig))
                if time.monotonic() > patience or work.hold.lost.is_set():
                    return
                time.sleep(self._store.settings.poll_s)

    def _prepare_answer(self, search_id: str) -> None:
        try:
            answers.prepare(self._store, search_id)
        except Exception:  # the search has ended all the same, and whoever asks has the front made then
            log.exception("answer.unprepared")

    def _write_end(self, work: Work, outcome: Ended) -> State:
        with self._store.database.write() as tx:
            if isinstance(outcome, Outcome):
                self._broken = None
                jobs.end(tx, work.hold.lease, outcome.state, result=outcome.result)
                return outcome.state
            if isinstance(outcome, JobFailed):
                jobs.end(tx, work.hold.lease, State.FAILED, error=outcome.record)
                return State.FAILED
            if isinstance(outcome, TryAgain):
                return self._try_again(tx, work, outcome)
            return jobs.release(tx, work.hold.lease)

    def _try_again(self, tx: Connection, work: Work, reason: TryAgain) -> State:
        """Put the job back, unless too many attempts in a row bore no fruit."""
        job = jobs.guard(tx, work.hold.lease)
        log.warning("job.broke_down", reason=str(reason))
        self._broken = str(reason)
        waits = isinstance(reason, NotReady)
        if waits or job.fruitless < self._store.settings.attempts:
            return jobs.release(tx, work.hold.lease, counted=not waits)
        title = f"The {job.kind} broke down {job.fruitless} times in a row"
        jobs.end(tx, work.hold.lease, State.FAILED, error={"title": title, "detail": str(reason)})
        return State.FAILED

    def _forget(self) -> None:
        try:
            with self._store.database.write() as tx:
                workers.gone(tx, self.name)
        except DBAPIError as error:
            log.warning("database.unavailable", error=str(error.orig))
