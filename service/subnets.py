"""Subnets as clients see them: an evaluation with every score, the later ones included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from search_space.architecture import Architecture
from service.errors import NotFound
from service.models.base import moment
from service.models.subnets import ScoreView, SubnetDetail, SubnetView
from service.records import StoredEvaluation
from service.stores import evaluations
from supernet.export.offered import obstacles


def require(tx: Connection, owner: str, subnet_id: str) -> StoredEvaluation:
    """Return the owner's subnet.

    Raises:
        NotFound: there is none.
    """
    found = evaluations.get(tx, subnet_id, owner)
    if found is None:
        raise NotFound("no such subnet")
    return found


def views(tx: Connection, found: Sequence[StoredEvaluation]) -> list[SubnetView]:
    """Return the subnets with every score."""
    later = evaluations.scores_after(tx, [evaluation.id for evaluation in found])
    return [SubnetView(**_fields(evaluation, later[evaluation.id])) for evaluation in found]


def detail(tx: Connection, found: StoredEvaluation) -> SubnetDetail:
    """Return one subnet with its graph."""
    later = evaluations.scores_after(tx, [found.id])[found.id]
    document = architecture(tx, found)
    return SubnetDetail(
        **_fields(found, later),
        architecture=json.loads(document),
        obstacles=obstacles(Architecture.from_json(document)),
    )


def architecture(tx: Connection, found: StoredEvaluation) -> str:
    """Return the subnet's architecture as JSON."""
    document = evaluations.architecture(tx, found.key)
    assert document is not None, found.key
    return document


def _fields(found: StoredEvaluation, later: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": found.id,
        "search_id": found.search_id,
        "number": found.number,
        "key": found.key,
        "origin": found.origin,
        "state": found.state,
        "scores": [ScoreView(**score) for score in (*json.loads(found.scores), *later)],
        "error": found.error,
        "genotype": found.genotype,
        "seconds": found.seconds,
        "created_at": moment(found.created_at),
    }
