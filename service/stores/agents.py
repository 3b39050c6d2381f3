"""Agents and their batches: one-time tokens, leases under an epoch, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from evaluators.latency.leases import LEASE_S, TOKEN_S, Lease, digest, new_token
from service.identifiers import new_id
from service.stores.rows import one
from service.tables import agents, batches


@dataclass(frozen=True)
class Agent:
    """One enrolled machine, or a token that waits for one; ``description`` holds its standing too."""

    id: str
    device_id: str
    description: Mapping[str, Any] | None
    created_at: float
    expires_at: float
    enrolled_at: float | None
    seen_at: float | None


@dataclass(frozen=True)
class Batch:
    """A batch of models that one device's agents measure."""

    id: str
    device_id: str
    job_id: str
    state: str
    agent_id: str | None
    epoch: int
    leased_until: float | None
    request: Mapping[str, Any]
    result: Mapping[str, Any] | None
    created_at: float


def invite(tx: Connection, device_id: str, now_s: float) -> tuple[str, str, float]:
    """Store a one-time token for a device; return the agent's id, the token, and when it expires."""
    token, hashed = new_token()
    identifier, expires_at = new_id(), now_s + TOKEN_S
    values = {"id": identifier, "device_id": device_id, "enrolment_hash": hashed}
    tx.execute(insert(agents).values(**values, created_at=now_s, expires_at=expires_at))
    return identifier, token, expires_at


def by_token(tx: Connection, token: str) -> Agent | None:
    """Return the agent that a one-time token was made for."""
    return one(tx, Agent, select(agents).where(agents.c.enrolment_hash == digest(token)))


def by_secret(tx: Connection, secret: str) -> Agent | None:
    """Return the enrolled agent of a secret."""
    return one(tx, Agent, select(agents).where(agents.c.token_hash == digest(secret)))


def enrol(tx: Connection, agent_id: str, description: Mapping[str, Any], now_s: float) -> str | None:
    """Use up an agent's token and return its secret; None where another call was first."""
    secret, hashed = new_token()
    unused = and_(agents.c.id == agent_id, agents.c.enrolled_at.is_(None))
    values = {"token_hash": hashed, "description": dict(description), "enrolled_at": now_s, "seen_at": now_s}
    done = tx.execute(update(agents).where(unused).values(**values))
    return secret if done.rowcount else None


def describe(tx: Connection, agent_id: str, description: Mapping[str, Any], now_s: float) -> None:
    """Store what an agent says of its machine, and its standing."""
    values = {"description": dict(description), "seen_at": now_s}
    tx.execute(update(agents).where(agents.c.id == agent_id).values(**values))


def newest(tx: Connection, device_id: str) -> Agent | None:
    """Return the device's agent that was last seen; None while none has enrolled."""
    query = select(agents).where(agents.c.device_id == device_id, agents.c.enrolled_at.is_not(None))
    return one(tx, Agent, query.order_by(agents.c.seen_at.desc(), agents.c.id).limit(1))


def submit(tx: Connection, device_id: str, job_id: str, request: Mapping[str, Any], now_s: float) -> str:
    """Queue a batch and return its id."""
    identifier = new_id()
    values = {"id": identifier, "device_id": device_id, "job_id": job_id, "state": "open", "epoch": 0}
    tx.execute(insert(batches).values(**values, request=dict(request), created_at=now_s))
    return identifier


def batch(tx: Connection, batch_id: str) -> Batch | None:
    """Return a batch."""
    return one(tx, Batch, select(batches).where(batches.c.id == batch_id))


def claim(tx: Connection, agent: Agent, now_s: float) -> Batch | None:
    """Give the device's oldest free batch to an agent, one whose lease ran out included."""
    until = batches.c.leased_until  # no lease reaches further than this, unless the clock was set back
    late = and_(batches.c.state == "leased", or_(until < now_s, until > now_s + LEASE_S))
    free = and_(batches.c.device_id == agent.device_id, or_(batches.c.state == "open", late))
    query = select(batches).where(free).order_by(batches.c.created_at, batches.c.id).limit(1)
    found = one(tx, Batch, query)
    if found is None:
        return None
    mine = and_(batches.c.id == found.id, batches.c.epoch == found.epoch)
    values = {"state": "leased", "agent_id": agent.id, "epoch": found.epoch + 1}
    done = tx.execute(update(batches).where(mine).values(**values, leased_until=now_s + LEASE_S))
    return batch(tx, found.id) if done.rowcount else None


def lease_of(found: Batch | None) -> Lease | None:
    """Return who holds a batch; None where nobody does."""
    if found is None or found.state != "leased" or found.agent_id is None:
        return None
    return Lease(found.id, found.agent_id, found.epoch, found.leased_until or 0.0)


def finish(tx: Connection, batch_id: str, state: str, result: Mapping[str, Any]) -> None:
    """End a batch as done or failed, or open it again for the next agent."""
    values = {"state": state, "result": dict(result), "leased_until": None}
    tx.execute(update(batches).where(batches.c.id == batch_id).values(**values))


def holds(tx: Connection, device_id: str, sha256: str) -> bool:
    """Return whether a leased batch of the device has a model of this SHA-256."""
    query = select(batches.c.request).where(batches.c.device_id == device_id, batches.c.state == "leased")
    return any(
        sha256 == model["sha256"] for request in tx.execute(query).scalars() for model in request["models"]
    )
