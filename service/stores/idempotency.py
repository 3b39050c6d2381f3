"""Replies kept under the client's idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update

from service.database import clock, insert_new, read_clock
from service.identifiers import new_id
from service.tables import idempotency

STALE_S = 120.0
"""Age at which a request that never ended (its process died) may be taken up again, seconds."""
THIS = update(idempotency).where(
    idempotency.c.owner == bindparam("of"), idempotency.c.key == bindparam("under")
)


@dataclass(frozen=True)
class Reply:
    """A stored answer; ``done`` is false while the first request is still being answered."""

    fingerprint: str
    done: bool
    status: int | None
    headers: Mapping[str, str] | None
    body: str | None


def begin(tx: Connection, owner: str, key: str, fingerprint: str) -> Reply | str:
    """Return the id for what the request makes, or what the key stands for already.

    A request that failed, or whose process died, is taken up again under the same id, so nothing is made
    twice.
    """
    fresh = new_id()
    values = {"owner": owner, "key": key, "fingerprint": fingerprint, "resource_id": fresh, "done": False}
    if insert_new(tx, idempotency, values, {"created_at": clock(tx)}):
        return fresh
    now = read_clock(tx)
    this = (idempotency.c.owner == owner) & (idempotency.c.key == key)
    row = tx.execute(select(idempotency).where(this)).one()
    if row.done or abs(now - row.created_at) < STALE_S:  # a clock that was set back tells nothing
        return Reply(row.fingerprint, row.done, row.status, row.headers, row.body)
    resumed = str(row.resource_id) if row.fingerprint == fingerprint else fresh
    claim = update(idempotency).where(this, idempotency.c.created_at == row.created_at)
    if not tx.execute(claim.values(fingerprint=fingerprint, resource_id=resumed, created_at=now)).rowcount:
        return Reply(fingerprint, False, None, None, None)
    return resumed


def finish(
    tx: Connection, owner: str, key: str, *, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Store the answer under its key."""
    answer = {"done": True, "status": status, "headers": dict(headers), "body": body}
    tx.execute(THIS, {"of": owner, "under": key, **answer})


def release(tx: Connection, owner: str, key: str) -> None:
    """Let a request that failed be sent again at once."""
    tx.execute(THIS, {"of": owner, "under": key, "created_at": 0.0})


def forget_before(tx: Connection, moment: float) -> int:
    """Remove the answers older than a moment and return how many they were."""
    return int(tx.execute(delete(idempotency).where(idempotency.c.created_at < moment)).rowcount)
