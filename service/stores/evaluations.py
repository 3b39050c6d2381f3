"""The record of a search: its evaluations, each architecture once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from search.evaluation import ARCHIVE
from service.database import insert_new, read_clock
from service.identifiers import new_id
from service.records import Revisions, StoredEvaluation
from service.stores import events
from service.stores.rows import Page, many, one, paged
from service.tables import architectures, evaluations, extra_scores, searches

ERROR_OF = "stderr:"
"""Prefix of a metric's standard error among the compact metrics."""
Compact = tuple[str, int, str, str, str]
"""Id, number, origin, state and metrics (JSON text) of an evaluation."""
MANY = 500
"""Keys asked for in one statement."""


@dataclass(frozen=True)
class NewEvaluation:
    """What one scoring of an architecture gave; scores are JSON objects with metric, value, unit, source,
    stderr.
    """

    key: str
    architecture: str
    genotype: tuple[int, ...] | None
    origin: str
    state: str
    scores: Sequence[Mapping[str, Any]]
    error: str | None
    seconds: float
    generation: int = 0
    position: int = 0


def add(tx: Connection, search_id: str, new: NewEvaluation, revisions: Revisions, attempt: int) -> str | None:
    """Store an evaluation and return its id, or None if the search has it already.

    The caller holds the job's lease in the same transaction, so numbers rise by one.
    """
    remember_architecture(tx, new.key, new.architecture)
    identifier = new_id()
    metrics = {score["metric"]: score["value"] for score in new.scores}
    metrics |= {
        ERROR_OF + score["metric"]: score["stderr"] for score in new.scores if score.get("stderr") is not None
    }
    values = {
        "id": identifier,
        "search_id": search_id,
        "number": _next_number(tx, search_id),
        "key": new.key,
        "device_revision": revisions.device,
        "dataset_revision": revisions.dataset,
        "evaluator_revision": revisions.evaluator,
        "genotype": None if new.genotype is None else list(new.genotype),
        "origin": new.origin,
        "state": new.state,
        "scores": json.dumps([dict(score) for score in new.scores]),
        "metrics": json.dumps(metrics),
        "error": new.error,
        "seconds": new.seconds,
        "generation": new.generation,
        "position": new.position,
        "attempt": attempt,
        "created_at": read_clock(tx),
    }
    if not insert_new(tx, evaluations, values):
        return None
    _count(tx, search_id, failed=new.state != "ok")
    return identifier


def remember_architecture(tx: Connection, key: str, document: str) -> None:
    """Store an architecture's document under its key, once."""
    insert_new(tx, architectures, {"key": key, "document": document})


def architecture(tx: Connection, key: str) -> str | None:
    """Return the JSON document of an architecture."""
    found = tx.execute(
        select(architectures.c.document).where(architectures.c.key == key)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def get(tx: Connection, evaluation_id: str, owner: str | None = None) -> StoredEvaluation | None:
    """Return the evaluation, None if there is none or its search is another owner's."""
    query = select(evaluations).where(evaluations.c.id == evaluation_id)
    if owner is not None:
        query = query.join(searches, searches.c.id == evaluations.c.search_id).where(
            searches.c.owner == owner
        )
    return one(tx, StoredEvaluation, query)


def page(tx: Connection, search_id: str, page: Page) -> list[StoredEvaluation]:
    """Return one page of the search's evaluations in the order in which they were stored."""
    query = select(evaluations).where(evaluations.c.search_id == search_id)
    return many(tx, StoredEvaluation, paged(query, (evaluations.c.number,), page, descending=False))


def history(tx: Connection, search_id: str) -> list[StoredEvaluation]:
    """Return every evaluation of the search, in order."""
    query = select(evaluations).where(evaluations.c.search_id == search_id)
    return many(tx, StoredEvaluation, query.order_by(evaluations.c.number))


def ids(tx: Connection, search_id: str) -> dict[str, str]:
    """Return the ids of the search's evaluations by architecture key."""
    query = select(evaluations.c.key, evaluations.c.id).where(evaluations.c.search_id == search_id)
    return {row.key: row.id for row in tx.execute(query)}


def of_supernet(
    tx: Connection, owner: str, supernet_id: str, revisions: Revisions, limit: int, *, but: str
) -> list[StoredEvaluation]:
    """Return what the owner's searches of a supernet scored on these images by this evaluator, the newest
    first, each architecture once, whatever the device; what came from an archive itself is left out.
    """
    query = (
        select(evaluations)
        .join(searches, searches.c.id == evaluations.c.search_id)
        .where(
            searches.c.owner == owner,
            searches.c.supernet_id == supernet_id,
            searches.c.id != but,
            evaluations.c.state == "ok",
            evaluations.c.origin != ARCHIVE,
            evaluations.c.dataset_revision == revisions.dataset,
            evaluations.c.evaluator_revision == revisions.evaluator,
        )
        .order_by(evaluations.c.created_at.desc(), evaluations.c.id.desc())
        .limit(limit)
    )
    found: dict[str, StoredEvaluation] = {}
    for entry in many(tx, StoredEvaluation, query):
        found.setdefault(entry.key, entry)
    return list(found.values())


def architectures_of(tx: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the JSON documents of architectures by key."""
    found: dict[str, str] = {}
    for start in range(0, len(keys), MANY):
        wanted = architectures.c.key.in_(keys[start : start + MANY])
        found |= {row.key: row.document for row in tx.execute(select(architectures).where(wanted))}
    return found


def by_ids(tx: Connection, identifiers: Sequence[str]) -> list[StoredEvaluation]:
    """Return the evaluations that exist, in the order asked."""
    query = select(evaluations).where(evaluations.c.id.in_(identifiers))
    found = {evaluation.id: evaluation for evaluation in many(tx, StoredEvaluation, query)}
    return [found[identifier] for identifier in identifiers if identifier in found]


def compact(tx: Connection, search_id: str, after: int = 0) -> Sequence[Compact]:
    """Return id, number, origin, state and metrics (JSON text) of the evaluations after a number, in
    order; see `ERROR_OF`.
    """
    wanted = (
        evaluations.c.id,
        evaluations.c.number,
        evaluations.c.origin,
        evaluations.c.state,
        evaluations.c.metrics,
    )
    query = select(*wanted).where(evaluations.c.search_id == search_id, evaluations.c.number > after)
    return [tuple(row) for row in tx.execute(query.order_by(evaluations.c.number))]


def add_score(tx: Connection, evaluation_id: str, score: Mapping[str, Any]) -> None:
    """Store a score that came after the evaluation, fine-tuned or measured on the device, as an event of
    its search.
    """
    values = {"id": new_id(), "evaluation_id": evaluation_id, "score": dict(score)}
    tx.execute(insert(extra_scores).values(**values, created_at=read_clock(tx)))
    search_id = tx.execute(select(evaluations.c.search_id).where(evaluations.c.id == evaluation_id))
    events.append(tx, str(search_id.scalar_one()), "score", {"id": evaluation_id, "score": dict(score)})


def scores_after(tx: Connection, evaluation_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the later scores of the evaluations, oldest first."""
    query = select(extra_scores).where(extra_scores.c.evaluation_id.in_(evaluation_ids))
    found: dict[str, list[dict[str, Any]]] = {identifier: [] for identifier in evaluation_ids}
    for row in tx.execute(query.order_by(extra_scores.c.created_at, extra_scores.c.id)):
        found[row.evaluation_id].append(dict(row.score))
    return found


def _next_number(tx: Connection, search_id: str) -> int:
    row = tx.execute(select(searches.c.evaluated, searches.c.failed).where(searches.c.id == search_id)).one()
    return int(row.evaluated) + int(row.failed) + 1


def _count(tx: Connection, search_id: str, *, failed: bool) -> None:
    column = searches.c.failed if failed else searches.c.evaluated
    tx.execute(update(searches).where(searches.c.id == search_id).values({column: column + 1}))
