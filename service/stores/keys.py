"""API keys: 256 random bits, stored as a hash, found by it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from service.database import read_clock
from service.identifiers import new_id
from service.records import ApiKey
from service.stores.rows import Page, paged
from service.tables import api_keys

SCOPES = ("read", "write", "agent", "admin")
PREFIX = "nk_"


@dataclass(frozen=True)
class Issued:
    """A new key and its secret, which is shown this once."""

    key: ApiKey
    secret: str


def issue(
    tx: Connection, *, owner: str, name: str, scopes: Sequence[str], expires_at: float | None = None
) -> Issued:
    """Make a key and return it with its secret."""
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(new_id(), owner, name, tuple(scopes), read_clock(tx), None, expires_at)
    values = {"id": key.id, "owner": owner, "name": name, "scopes": list(scopes), "expires_at": expires_at}
    tx.execute(insert(api_keys).values(**values, hash=hash_secret(secret), created_at=key.created_at))
    return Issued(key, secret)


def hash_secret(secret: str) -> str:
    """Return the stored form of a secret (256 random bits need no slow hash)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find(tx: Connection, secret: str) -> ApiKey | None:
    """Return the valid key of this secret, None if there is none."""
    digest = hash_secret(secret)
    row = tx.execute(select(api_keys).where(api_keys.c.hash == digest)).one_or_none()
    if row is None or not secrets.compare_digest(row.hash, digest):
        return None
    key = _key(row)
    expired = key.expires_at is not None and key.expires_at <= read_clock(tx)
    return None if expired or key.revoked_at is not None else key


def page(tx: Connection, owner: str | None, page: Page) -> list[ApiKey]:
    """Return one page of keys, newest first: the owner's, or everyone's."""
    query = select(api_keys)
    if owner is not None:
        query = query.where(api_keys.c.owner == owner)
    rows = tx.execute(paged(query, (api_keys.c.created_at, api_keys.c.id), page))
    return [_key(row) for row in rows]


def revoke(tx: Connection, key_id: str) -> bool:
    """Make the key useless and return whether it was of use before."""
    statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return bool(tx.execute(statement.values(revoked_at=read_clock(tx))).rowcount)


def count(tx: Connection) -> int:
    """Return how many keys were ever issued."""
    return int(tx.execute(select(func.count()).select_from(api_keys)).scalar_one())


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        row.id, row.owner, row.name, tuple(row.scopes), row.created_at, row.revoked_at, row.expires_at
    )
