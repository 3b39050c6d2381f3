"""Searches and their final fronts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from service.database import read_clock
from service.records import Job, Search
from service.stores.rows import Page, columns, many, one, paged, to_record
from service.tables import fronts, jobs, searches


@dataclass(frozen=True)
class Filter:
    """Which searches a list shows, and whether the oldest come first."""

    owner: str
    state: str | None = None
    label: str | None = None
    oldest_first: bool = False


def add(tx: Connection, search: Search) -> None:
    """Store a new search; its job must be stored already."""
    tx.execute(insert(searches).values(**asdict(search)))


def get(tx: Connection, search_id: str, owner: str | None = None) -> Search | None:
    """Return the search, None if there is none or it is another owner's."""
    query = select(searches).where(searches.c.id == search_id)
    return one(tx, Search, query if owner is None else query.where(searches.c.owner == owner))


def page(tx: Connection, filter: Filter, page: Page) -> list[tuple[Search, Job]]:
    """Return one page of searches with their jobs."""
    query = _filtered(filter)
    order = (searches.c.created_at, searches.c.id)
    cut = paged(query, order, page, descending=not filter.oldest_first)
    found = many(tx, Search, cut)
    works = tx.execute(select(jobs).where(jobs.c.id.in_([search.id for search in found])))
    by_id = {job.id: job for job in (to_record(Job, row) for row in works)}
    return [(search, by_id[search.id]) for search in found]


def _filtered(filter: Filter) -> Select[Any]:
    query = select(*columns(searches, Search)).where(searches.c.owner == filter.owner)
    if filter.label is not None:
        query = query.where(searches.c.label == filter.label)
    if filter.state is not None:
        query = query.join(jobs, jobs.c.id == searches.c.id).where(jobs.c.state == filter.state)
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
