"""Whether the service can do its work, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from service import schema
from service.files import free_bytes
from service.store import Store
from service.stores import workers


@dataclass(frozen=True)
class Check:
    """One thing that the service needs."""

    name: str
    ok: bool
    detail: str


def checks(store: Store) -> list[Check]:
    """Return the state of the database, its schema, the workers with their Ray, and the disk."""
    return [*_database(store), _disk(store)]


def _database(store: Store) -> list[Check]:
    try:
        found, newest = schema.revision(store.database), schema.newest()
        with store.database.read() as tx:
            living = workers.count(tx, within_s=3 * store.settings.heartbeat_s)
            described = workers.described(tx, within_s=3 * store.settings.heartbeat_s)
    except DBAPIError:
        return [Check("database", False, "does not answer")]
    migrated = Check("migrations", found == newest, f"at {found}, newest {newest}")
    working = Check("workers", living > 0, f"{living} heard of lately; start one with: neckline worker")
    return [Check("database", True, "answers"), migrated, working, _ray(store, described)]


def _ray(store: Store, described: list[dict[str, object]]) -> Check:
    if store.settings.executor == "local":
        return Check("ray", True, "not used: workers evaluate themselves")
    reasons = [str(reason) for entry in described if (reason := entry.get("ray_error"))]
    return Check("ray", not reasons, "; ".join(reasons) or "no worker reports a fault")


def _disk(store: Store) -> Check:
    free, mark = free_bytes(store.settings.data), store.settings.low_water_bytes
    return Check("disk", free >= mark, f"{free >> 20} MiB free, low-water mark {mark >> 20} MiB")
