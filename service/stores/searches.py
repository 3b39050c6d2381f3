"""Searches and their final fronts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select

from service.database import read_clock
from service.records import Job, Search
from service.stores.rows import Page, joined, one, paged, split
from service.tables import fronts, jobs, searches

BY_ID = select(searches).where(searches.c.id == bindparam("wanted"))
BOTH = joined(searches, Search)
BOTH_BY_ID = BOTH.where(searches.c.id == bindparam("wanted"))


@dataclass(frozen=True)
class Filter:
    """Which searches a list shows, and whether the oldest come first."""

    owner: str
    state: str | None = None
    label: str | None = None
    oldest_first: bool = False


def add(tx: Connection, search: Search) -> None:
    """Store a new search; its job must be stored already."""
    tx.execute(insert(searches), vars(search))


def get(tx: Connection, search_id: str, owner: str | None = None) -> Search | None:
    """Return the search, None if there is none or it is another owner's."""
    found = one(tx, Search, BY_ID, {"wanted": search_id})
    return found if found is None or owner in (None, found.owner) else None


def get_with_job(tx: Connection, search_id: str, owner: str | None = None) -> tuple[Search, Job] | None:
    """Return the search and its job, None if there is none or it is another owner's."""
    row = tx.execute(BOTH_BY_ID, {"wanted": search_id}).one_or_none()
    if row is None or owner not in (None, row.owner):
        return None
    return split(row, Search)


def page(tx: Connection, filter: Filter, page: Page) -> list[tuple[Search, Job]]:
    """Return one page of searches with their jobs."""
    order = (searches.c.created_at, searches.c.id)
    cut = paged(_filtered(filter), order, page, descending=not filter.oldest_first)
    return [split(row, Search) for row in tx.execute(cut).all()]


def _filtered(filter: Filter) -> Select[Any]:
    query = BOTH.where(searches.c.owner == filter.owner)
    if filter.label is not None:
        query = query.where(searches.c.label == filter.label)
    if filter.state is not None:
        query = query.where(jobs.c.state == filter.state)
    return query


def store_front(tx: Connection, front_id: str, search_id: str, document: str) -> None:
    """Store the search's final front; it never changes afterwards."""
    values = {"id": front_id, "search_id": search_id, "document": document, "created_at": read_clock(tx)}
    tx.execute(insert(fronts).values(**values))


def front_id(tx: Connection, search_id: str) -> str | None:
    """Return the id of the search's final front, None while there is none."""
    found = tx.execute(select(fronts.c.id).where(fronts.c.search_id == search_id)).scalar_one_or_none()
    return None if found is None else str(found)


def front(tx: Connection, search_id: str) -> tuple[str, str] | None:
    """Return the id and the JSON document of the search's final front."""
    row = tx.execute(
        select(fronts.c.id, fronts.c.document).where(fronts.c.search_id == search_id)
    ).one_or_none()
    return None if row is None else (row.id, row.document)
