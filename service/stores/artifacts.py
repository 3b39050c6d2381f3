"""Artifacts: files made of subnets, one a request."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, select, update

from service.database import insert_new
from service.records import Artifact
from service.stores.rows import one
from service.tables import artifacts


def get(tx: Connection, artifact_id: str, owner: str | None = None) -> Artifact | None:
    """Return the artifact, None if there is none or it is another owner's."""
    query = select(artifacts).where(artifacts.c.id == artifact_id)
    return one(tx, Artifact, query if owner is None else query.where(artifacts.c.owner == owner))


def find(tx: Connection, evaluation_id: str, format: str, options_key: str) -> Artifact | None:
    """Return the artifact of the same request, if it was made before."""
    query = select(artifacts).where(artifacts.c.evaluation_id == evaluation_id, artifacts.c.format == format)
    return one(tx, Artifact, query.where(artifacts.c.options_key == options_key))


def add(tx: Connection, artifact: Artifact) -> bool:
    """Store a new artifact and return whether it was new."""
    return insert_new(tx, artifacts, asdict(artifact))


def finish(
    tx: Connection, artifact_id: str, *, sha256: str, size: int, media_type: str, filename: str
) -> None:
    """Store what the file is."""
    values = {"sha256": sha256, "size": size, "media_type": media_type, "filename": filename}
    tx.execute(update(artifacts).where(artifacts.c.id == artifact_id).values(**values))
