"""Registered datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select, update

from service.records import Dataset
from service.stores.rows import Page, many, one, paged
from service.tables import datasets


def add(tx: Connection, dataset: Dataset) -> None:
    """Store a new dataset; its job must be stored already."""
    tx.execute(insert(datasets).values(**asdict(dataset)))


def get(tx: Connection, dataset_id: str, owner: str | None = None) -> Dataset | None:
    """Return the dataset, None if there is none or it is another owner's."""
    query = select(datasets).where(datasets.c.id == dataset_id)
    return one(tx, Dataset, query if owner is None else query.where(datasets.c.owner == owner))


def page(tx: Connection, owner: str, page: Page) -> list[Dataset]:
    """Return one page of the owner's datasets, newest first."""
    query = select(datasets).where(datasets.c.owner == owner)
    return many(tx, Dataset, paged(query, (datasets.c.created_at, datasets.c.id), page))


def finish(tx: Connection, dataset_id: str, *, revision: str, statistics: Mapping[str, Any]) -> None:
    """Store what the dataset's job found."""
    values = {"revision": revision, "statistics": dict(statistics)}
    tx.execute(update(datasets).where(datasets.c.id == dataset_id).values(**values))
