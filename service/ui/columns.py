"""Columns of a table of scores: one scale each, and one source where all values share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from service.models.subnets import ScoreView
from service.ui.figures import Scale, column_scale, metric_unit


class Scored(Protocol):
    """Whatever carries scores."""

    @property
    def scores(self) -> list[ScoreView]:
        """Return every score."""


@dataclass(frozen=True)
class Column:
    """A metric's column; ``only`` is the source of all its values, None where they differ."""

    metric: str
    scale: Scale
    only: str | None


def of(rows: Sequence[Scored], metrics: Sequence[str]) -> list[Column]:
    """Return a column for each metric."""
    return [_column(rows, metric) for metric in metrics]


def metrics_of(rows: Sequence[Scored]) -> list[str]:
    """Return every metric that a row has a score of, in the order of their first appearance."""
    return list(dict.fromkeys(score.metric for row in rows for score in row.scores))


def _column(rows: Sequence[Scored], metric: str) -> Column:
    found = [[score for score in row.scores if score.metric == metric] for row in rows]
    first = [scores[0] for scores in found if scores]
    sources = {score.source for scores in found for score in scores}
    only = next(iter(sources)) if len(sources) == 1 and all(len(scores) < 2 for scores in found) else None
    errors = [score.stderr for score in first if score.stderr]
    return Column(metric, column_scale(metric_unit(metric), [score.value for score in first], errors), only)
