"""Ranking estimates: jobs of the kind `rank`, each needing the supernet that it is about."""

from __future__ import annotations

from sqlalchemy import Connection, select

from service.records import Event, Job
from service.states import GOOD
from service.stores.rows import many, one
from service.tables import events, jobs, needs

KIND, ROW = "rank", "ranked"
DONE = select(jobs.c.id).where(jobs.c.kind == KIND, jobs.c.state.in_(GOOD))


def latest(tx: Connection, supernet_id: str) -> Job | None:
    """Return the supernet's latest estimate that has ended well.

    Estimates are few, and what needs a supernet may be thousands of searches: so the former are read first.
    """
    known = list(tx.execute(DONE).scalars())
    if not known:
        return None
    query = select(jobs).join(needs, needs.c.job_id == jobs.c.id)
    made = query.where(needs.c.job_id.in_(known), needs.c.needs_id == supernet_id)
    return one(tx, Job, made.order_by(jobs.c.ended_at.desc(), jobs.c.id.desc()).limit(1))


def rows(tx: Connection, job_id: str) -> list[Event]:
    """Return the events that hold measured architectures, oldest first."""
    query = select(events).where(events.c.job_id == job_id, events.c.kind == ROW)
    return many(tx, Event, query.order_by(events.c.number))
