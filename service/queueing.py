"""Queueing what one request asks for, once however often it is sent, and finding it again."""

from __future__ import annotations

from sqlalchemy import Connection

from service.datasets import require_room
from service.errors import NotFound
from service.records import Job
from service.settings import Settings
from service.stores import jobs


def queue_once(tx: Connection, wanted: jobs.NewJob, settings: Settings) -> Job:
    """Return the job of that id, queued now unless it is known already.

    Raises:
        TooMany: the owner has the most unfinished jobs allowed.
    """
    if jobs.get(tx, wanted.id) is None:
        require_room(tx, wanted.owner, settings)
        jobs.enqueue(tx, wanted)
    job = jobs.get(tx, wanted.id)
    assert job is not None, wanted.id
    return job


def require_job(tx: Connection, job_id: str, *, kind: str, owner: str) -> Job:
    """Return the owner's job of that kind.

    Raises:
        NotFound: there is none.
    """
    job = jobs.get(tx, job_id)
    if job is None or job.kind != kind or job.owner != owner:
        raise NotFound("there is none of this id")
    return job
