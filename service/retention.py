"""Retention: what ended long ago gives back its events, its artifacts' files and its checkpoints; results
stay.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, func, select

from service import trained
from service.database import read_clock
from service.states import ENDED
from service.store import Store
from service.stores import idempotency
from service.tables import artifacts, batches, events, jobs, searches

DAY_S = 86_400.0
REPLAYS_DAYS = 2.0
"""Days for which a request may be repeated under its idempotency key."""


@dataclass(frozen=True)
class Collected:
    """How much was removed, or would be: rows, files and bytes of files."""

    events: int
    artifacts: int
    replays: int
    files: int
    checkpoints: int
    bytes: int


def collect(store: Store, *, days: float, dry_run: bool = False) -> Collected:
    """Remove what ended more than so many days ago, and files that nothing refers to any more.

    Evaluations, scores, fronts and trained supernets are never removed.
    """
    with store.database.write() as tx:
        now = read_clock(tx)
        removed_events = _events(tx, now - days * DAY_S, dry_run=dry_run)
        removed_artifacts = _artifacts(tx, now - days * DAY_S, dry_run=dry_run)
        replays = 0 if dry_run else idempotency.forget_before(tx, now - REPLAYS_DAYS * DAY_S)
        kept = _referenced(tx, without_artifacts_before=now - days * DAY_S)
        finished = _finished_trainings(tx)
    unused = [digest for digest in store.files.digests() if digest not in kept]
    checkpoints = [folder for folder in _checkpoints(store, finished) if folder.exists()]
    freed = sum(store.files.size(digest) for digest in unused) + sum(_size(folder) for folder in checkpoints)
    if not dry_run:
        for digest in unused:
            store.files.remove(digest)
        for folder in checkpoints:
            shutil.rmtree(folder, ignore_errors=True)
    return Collected(removed_events, removed_artifacts, replays, len(unused), len(checkpoints), freed)


def _events(tx: Connection, before: float, *, dry_run: bool) -> int:
    old = select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.ended_at < before)
    count = select(func.count()).select_from(events).where(events.c.job_id.in_(old))
    found = int(tx.execute(count).scalar_one())
    if not dry_run:
        tx.execute(delete(events).where(events.c.job_id.in_(old)))
    return found


def _artifacts(tx: Connection, before: float, *, dry_run: bool) -> int:
    old = select(jobs.c.id).where(
        jobs.c.kind == "artifact", jobs.c.state.in_(ENDED), jobs.c.ended_at < before
    )
    found = [row.id for row in tx.execute(old)]
    if not dry_run and found:
        tx.execute(delete(jobs).where(jobs.c.id.in_(found)))
    return len(found)


def _referenced(tx: Connection, *, without_artifacts_before: float) -> set[str]:
    """Return the sha256 of every file that something still needs."""
    alive = (
        select(artifacts.c.sha256)
        .join(jobs, jobs.c.id == artifacts.c.id)
        .where(artifacts.c.sha256.is_not(None))
        .where(jobs.c.ended_at.is_(None) | (jobs.c.ended_at >= without_artifacts_before))
    )
    found = {str(digest) for digest in tx.execute(alive).scalars()}
    trained_kinds = jobs.c.kind.in_(("train", "finetune", "dataset"))
    trainings = select(jobs.c.result).where(trained_kinds, jobs.c.result.is_not(None))
    for result in tx.execute(trainings).scalars():
        found |= set((result.get("files") or {}).values())
    for spec in tx.execute(select(searches.c.spec)).scalars():
        found |= {entry["weights"] for entry in spec.get("imports", ()) if entry.get("weights")}
    waiting = select(batches.c.request).where(batches.c.state.in_(("open", "leased")))
    for request in tx.execute(waiting).scalars():
        found |= {model["sha256"] for model in request["models"]}
    return found


def _finished_trainings(tx: Connection) -> list[str]:
    query = select(jobs.c.id).where(jobs.c.kind == "train", jobs.c.state.in_(ENDED))
    return [str(identifier) for identifier in tx.execute(query).scalars()]


def _checkpoints(store: Store, supernets: list[str]) -> list[Path]:
    """Return the local folders of trainings that have ended; what was trained is in the artifact store."""
    return [trained.folder_of(store, identifier) for identifier in supernets]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
