"""What a job's runner gets: the job, the store, and the duty to look whether it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from service.errors import LeaseLost, StopRequested
from service.records import Job, Lease
from service.states import State
from service.store import Store
from service.stores import events, jobs

T = TypeVar("T")


@dataclass
class Hold:
    """A lease in use: the beating thread writes what it learns, the runner reads it."""

    lease: Lease
    stop: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Outcome:
    """How a runner ended: the job's final state and its result."""

    state: State = State.SUCCEEDED
    result: Mapping[str, Any] = field(default_factory=dict)


class JobFailed(Exception):
    """The job cannot succeed; ``record`` is shown to the user: title, detail and perhaps a pointer."""

    def __init__(self, title: str, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(detail)
        place = {} if pointer is None else {"pointer": pointer}
        self.record: dict[str, str] = {"title": title, "detail": detail, **place}


class TryAgain(Exception):
    """What the job works with broke down (Ray, a device), not the job: another attempt may succeed."""


class NotReady(TryAgain):
    """What the job works with is not there (yet), and the job has done nothing: it waits, however long."""


@dataclass(frozen=True)
class Work:
    """One attempt at one job."""

    job: Job
    store: Store
    hold: Hold

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a transaction that commits only while this attempt holds the job.

        Raises:
            LeaseLost: it does not any more.
        """
        with self.store.under(self.hold.lease) as tx:
            yield tx

    def patiently(self, write: Callable[[], T]) -> T:
        """Carry out a write, again while the database is away and the job may still be held, and return what
        it returns; a short outage then costs nothing that was computed.

        Raises:
            LeaseLost, StopRequested: meanwhile.
            OperationalError: the database was away for as long as a lease lives.
        """
        deadline_s = time.monotonic() + self.store.settings.lease_s
        while True:
            try:
                return write()
            except OperationalError:
                if time.monotonic() > deadline_s:
                    raise
            time.sleep(self.store.settings.poll_s)
            self.check()

    def check(self) -> None:
        """Raise if the job should stop now.

        Raises:
            LeaseLost: another worker has the job.
            StopRequested: a client or the worker's end asks for it.
        """
        if self.hold.lost.is_set():
            raise LeaseLost(f"job {self.job.id} was taken over")
        if self.hold.stop.is_set():
            raise StopRequested(f"job {self.job.id} was asked to stop")

    def report(self, progress: Mapping[str, Any], *, event: str | None = None, fruitful: bool = True) -> None:
        """Store how far the job is, as its latest progress and perhaps as an event.

        Not `fruitful` is what a next attempt would have to do again: attempts that bring no more are counted.

        Raises:
            LeaseLost: another worker has the job.
        """
        with self.store.database.write() as tx:
            jobs.progress(tx, self.hold.lease, progress, fruitful=fruitful)
            if event is not None:
                events.append(tx, self.job.id, event, progress)
