"""Filtering a search's subnets by feasibility, rank and bounds: on the compact form, then a page of full
rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from search.objectives import Constraint
from service.fronts import Fronts
from service.pareto import constraints_of, objectives_of, parse_bound
from service.records import Search, StoredEvaluation
from service.stores import evaluations
from service.stores.rows import Page


@dataclass(frozen=True)
class Filter:
    """Which subnets of a search a list shows."""

    bounds: tuple[Constraint, ...] = ()
    feasible: bool | None = None
    on_front: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether every subnet passes."""
        return not self.bounds and self.feasible is None and self.on_front is None


def parse_bounds(texts: Sequence[str]) -> tuple[Constraint, ...]:
    """Return the bounds of a query.

    Raises:
        Unacceptable: one is not metric<=value or metric>=value.
    """
    return tuple(parse_bound(text, "query/bound") for text in texts)


def matching(
    tx: Connection, fronts: Fronts, search: Search, chosen: Filter, page: Page
) -> list[StoredEvaluation]:
    """Return one page, and one row more if there is one, of the scored subnets that pass the filter."""
    ranking = fronts.ranking(search.id, objectives_of(search.spec), constraints_of(search.spec))
    points = ranking.points
    passing = np.ones(len(points.ids), dtype=bool)
    for bound in chosen.bounds:
        low, high = bound.interval
        values = points.column(bound.metric)
        passing &= (values >= low) & (values <= high)
    if chosen.feasible is not None:
        passing &= (ranking.violations == 0) == chosen.feasible
    if chosen.on_front is not None:
        passing &= np.isin(np.arange(len(points.ids)), ranking.front) == chosen.on_front
    after = 0 if page.after is None else int(page.after[0])
    wanted = [int(i) for i in np.flatnonzero(passing) if points.numbers[int(i)] > after][: page.size + 1]
    return evaluations.by_ids(tx, [points.ids[index] for index in wanted])
