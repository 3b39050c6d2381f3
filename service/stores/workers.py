"""Worker processes that have been heard of lately."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select

from service.database import insert, read_clock
from service.tables import workers


def seen(tx: Connection, name: str, description: Mapping[str, Any]) -> None:
    """Note that this process's worker lives."""
    now = read_clock(tx)
    values = {"id": name, "host": socket.gethostname()[:128], "pid": os.getpid(), "started_at": now}
    statement = insert(tx, workers).values(**values, seen_at=now, description=dict(description))
    changed = {"seen_at": now, "description": dict(description)}
    tx.execute(statement.on_conflict_do_update(index_elements=[workers.c.id], set_=changed))


def gone(tx: Connection, name: str) -> None:
    """Forget a worker that has ended."""
    tx.execute(delete(workers).where(workers.c.id == name))


def count(tx: Connection, *, within_s: float) -> int:
    """Return how many workers were heard of within some seconds."""
    query = select(func.count()).select_from(workers).where(_seen(tx, within_s))
    return int(tx.execute(query).scalar_one())


def described(tx: Connection, *, within_s: float) -> list[dict[str, Any]]:
    """Return what the workers heard of within some seconds said of themselves."""
    query = select(workers.c.description).where(_seen(tx, within_s))
    return [dict(found) for found in tx.execute(query).scalars()]


def _seen(tx: Connection, within_s: float) -> ColumnElement[bool]:
    """Return the condition that a worker was seen within some seconds; one seen in the future (the clock was
    set back) has not been seen since.
    """
    now = read_clock(tx)
    return workers.c.seen_at.between(now - within_s, now + within_s)
