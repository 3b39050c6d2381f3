"""Supernets, trained or to be trained."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, insert, select, update

from service.records import Supernet
from service.stores.rows import Page, many, one, paged
from service.tables import supernets


def add(tx: Connection, supernet: Supernet) -> None:
    """Store a new supernet; its job must be stored already."""
    tx.execute(insert(supernets).values(**asdict(supernet)))


def get(tx: Connection, supernet_id: str, owner: str | None = None) -> Supernet | None:
    """Return the supernet, None if there is none or it is another owner's."""
    query = select(supernets).where(supernets.c.id == supernet_id)
    return one(tx, Supernet, query if owner is None else query.where(supernets.c.owner == owner))


def page(tx: Connection, owner: str, page: Page) -> list[Supernet]:
    """Return one page of the owner's supernets, newest first."""
    query = select(supernets).where(supernets.c.owner == owner)
    return many(tx, Supernet, paged(query, (supernets.c.created_at, supernets.c.id), page))


def finish(tx: Connection, supernet_id: str, *, revision: str) -> None:
    """Store the revision of the trained weights."""
    tx.execute(update(supernets).where(supernets.c.id == supernet_id).values(revision=revision))
