"""Supernets, trained or to be trained."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, insert, select, update

from service.records import Job, Supernet
from service.stores.rows import Page, joined, many, one, paged, split
from service.tables import supernets

BY_ID = select(supernets).where(supernets.c.id == bindparam("wanted"))
BOTH_BY_ID = joined(supernets, Supernet).where(supernets.c.id == bindparam("wanted"))


def add(tx: Connection, supernet: Supernet) -> None:
    """Store a new supernet; its job must be stored already."""
    tx.execute(insert(supernets).values(**asdict(supernet)))


def get(tx: Connection, supernet_id: str, owner: str | None = None) -> Supernet | None:
    """Return the supernet, None if there is none or it is another owner's."""
    found = one(tx, Supernet, BY_ID, {"wanted": supernet_id})
    return found if found is None or owner in (None, found.owner) else None


def get_with_job(tx: Connection, supernet_id: str, owner: str) -> tuple[Supernet, Job] | None:
    """Return the supernet and its job, None if there is none or it is another owner's."""
    row = tx.execute(BOTH_BY_ID, {"wanted": supernet_id}).one_or_none()
    if row is None or row.owner != owner:
        return None
    return split(row, Supernet)


def page(tx: Connection, owner: str, page: Page) -> list[Supernet]:
    """Return one page of the owner's supernets, newest first."""
    query = select(supernets).where(supernets.c.owner == owner)
    return many(tx, Supernet, paged(query, (supernets.c.created_at, supernets.c.id), page))


def finish(tx: Connection, supernet_id: str, *, revision: str) -> None:
    """Store the revision of the trained weights."""
    tx.execute(update(supernets).where(supernets.c.id == supernet_id).values(revision=revision))
