"""A job's events: numbered without gaps, because the number is taken under the job's row lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from service.database import read_clock
from service.records import Event
from service.stores.rows import many
from service.tables import events, jobs


def begin(tx: Connection, job_id: str, kind: str, payload: Mapping[str, Any]) -> None:
    """Store the first event of a job that was just stored with one event."""
    _store(tx, job_id, 1, kind, payload)


def append(tx: Connection, job_id: str, kind: str, payload: Mapping[str, Any]) -> int:
    """Store an event and return its number."""
    statement = update(jobs).where(jobs.c.id == job_id).values(event_count=jobs.c.event_count + 1)
    number = int(tx.execute(statement.returning(jobs.c.event_count)).scalar_one())
    _store(tx, job_id, number, kind, payload)
    return number


def _store(tx: Connection, job_id: str, number: int, kind: str, payload: Mapping[str, Any]) -> None:
    values = {"job_id": job_id, "number": number, "kind": kind, "payload": dict(payload)}
    tx.execute(insert(events), {**values, "created_at": read_clock(tx)})


def after(tx: Connection, job_id: str, number: int, *, limit: int = 500) -> list[Event]:
    """Return the job's events after a number, oldest first."""
    query = select(events).where(events.c.job_id == job_id, events.c.number > number)
    return many(tx, Event, query.order_by(events.c.number).limit(limit))


def last_number(tx: Connection, job_id: str) -> int:
    """Return the number of the job's latest event, 0 if there is none."""
    return int(tx.execute(select(jobs.c.event_count).where(jobs.c.id == job_id)).scalar_one_or_none() or 0)
