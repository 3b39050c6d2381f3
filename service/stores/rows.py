"""Reading rows as records, and pages of rows in a stable order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row, Select, Table, select, tuple_

from service.records import Job
from service.tables import jobs

R = TypeVar("R")


@dataclass(frozen=True)
class Page:
    """Which part of a list: at most ``size`` rows after the position ``after``."""

    size: int = 50
    after: tuple[Any, ...] | None = None


def columns(table: Table, record: type[Any]) -> list[Any]:
    """Return the table's columns that the record has, in the record's order."""
    return [table.c[field.name] for field in fields(record)]


def joined(table: Table, record: type[Any]) -> Select[Any]:
    """Return the query of the table's records, each with the job of its id; see ``split``."""
    return select(*columns(table, record), *columns(jobs, Job)).join(jobs, jobs.c.id == table.c.id)


def split(row: Row[Any], record: type[R]) -> tuple[R, Job]:
    """Return a row of ``joined`` as its two records."""
    width = len(fields(cast(Any, record)))
    return record(*row[:width]), Job(*row[width:])


def one(
    connection: Connection, record: type[R], query: Select[Any], values: Mapping[str, Any] | None = None
) -> R | None:
    """Return the only row as a record, None if there is none.

    Args:
        connection: in a transaction.
        record: with a field for each column that is wanted.
        query: with a column for each field.
        values: of the query's parameters. A query that is built once and given its values each time is much
            cheaper than one built each time.
    """
    row = connection.execute(query, values).columns(*_names(record)).one_or_none()
    return None if row is None else record(*row)


def many(connection: Connection, record: type[R], query: Select[Any]) -> list[R]:
    """Return every row as a record."""
    return [record(*row) for row in connection.execute(query).columns(*_names(record)).all()]


def _names(record: type[Any]) -> list[str]:
    return [field.name for field in fields(record)]


def paged(query: Select[Any], order: Iterable[Any], page: Page, *, descending: bool = True) -> Select[Any]:
    """Return the query cut to one page by keyset, one row more than the page to tell whether it is the
    last.
    """
    keys = list(order)
    if page.after is not None:
        position = tuple_(*keys)
        query = query.where(position < tuple(page.after) if descending else position > tuple(page.after))
    directed = [key.desc() for key in keys] if descending else keys
    return query.order_by(*directed).limit(page.size + 1)
