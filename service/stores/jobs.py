"""The queue: enqueue, claim, beat, guard, end, release and sweep.

Every function takes a connection inside a transaction, so that a result and its bookkeeping are one
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    ScalarSelect,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from service.database import clock, keep_clock, read_clock
from service.errors import Conflict, LeaseLost
from service.records import Job, Lease
from service.states import AFTER_LOSS, ENDED, GOOD, HELD, MOVES, State
from service.stores import events
from service.stores.rows import one
from service.tables import jobs, needs

BY_ID = select(jobs).where(jobs.c.id == bindparam("wanted"))
STORE = insert(jobs).returning(jobs)
ACTIVE = select(func.count()).where(
    jobs.c.owner == bindparam("of"), jobs.c.state.in_([state for state in State if state not in ENDED])
)
STANDING: dict[str, Select[Any]] = {}
"""The statement of `standing` in each dialect, whose clocks differ."""


@dataclass(frozen=True)
class NewJob:
    """What is asked of the queue."""

    id: str
    kind: str
    owner: str
    request: Mapping[str, Any]
    priority: int = 0
    needs: tuple[str, ...] = ()


def enqueue(tx: Connection, job: NewJob) -> Job:
    """Put a job into the queue and return it; it starts when every job that it needs has succeeded."""
    now = read_clock(tx)
    given = {"id": job.id, "kind": job.kind, "owner": job.owner, "priority": job.priority}
    given |= {"state": State.QUEUED, "request": dict(job.request), "created_at": now, "queued_at": now}
    stored = tx.execute(STORE, given | {"attempt": 0, "epoch": 0, "event_count": 1}).one()
    for needed in dict.fromkeys(job.needs):
        tx.execute(insert(needs), {"job_id": job.id, "needs_id": needed})
    events.begin(tx, job.id, "state", {"state": State.QUEUED})
    return Job(**stored._mapping)


def get(tx: Connection, job_id: str) -> Job | None:
    """Return the job, None if there is none."""
    return one(tx, Job, BY_ID, {"wanted": job_id})


def claim(tx: Connection, *, worker: str, kinds: Iterable[str], lease_s: float) -> Job | None:
    """Return the next job, leased to this worker, or None when nothing is ready.

    The order: priority, then what was interrupted (its turn had come), then the owner who holds least and
    was served longest ago, then age.
    """
    now = read_clock(tx)
    statement = (
        update(jobs)
        .where(jobs.c.id == _next(tuple(kinds)), jobs.c.state == State.QUEUED)
        .values(
            state=State.LEASED,
            worker=worker,
            attempt=jobs.c.attempt + 1,
            fruitless=jobs.c.fruitless + 1,
            leased_until=now + lease_s,
            started_at=now,
        )
        .returning(jobs)
    )
    row = tx.execute(statement).one_or_none()
    if row is None:
        return None
    job = Job(**row._mapping)
    events.append(tx, job.id, "state", {"state": State.LEASED, "attempt": job.attempt, "worker": worker})
    return job


def _next(kinds: Sequence[str]) -> ScalarSelect[Any]:
    queued = jobs.alias("queued")
    other = jobs.alias("other")
    required = jobs.alias("required")
    waiting = exists().where(
        needs.c.job_id == queued.c.id, required.c.id == needs.c.needs_id, required.c.state.not_in(GOOD)
    )
    held = (
        select(func.count()).where(other.c.owner == queued.c.owner, other.c.state.in_(HELD)).scalar_subquery()
    )
    served = select(func.max(other.c.started_at)).where(other.c.owner == queued.c.owner).scalar_subquery()
    begun = case((queued.c.started_at >= queued.c.queued_at, 0), else_=1)
    fairly = (held, func.coalesce(served, 0.0), queued.c.queued_at, queued.c.id)
    return (
        select(queued.c.id)
        .where(queued.c.state == State.QUEUED, queued.c.kind.in_(kinds), ~waiting)
        .order_by(queued.c.priority.desc(), begun, *fairly)
        .limit(1)
        .with_for_update(skip_locked=True, of=queued)
        .scalar_subquery()
    )


def guard(tx: Connection, lease: Lease, **values: Any) -> Job:
    """Change the job under this lease and return it.

    Raises:
        LeaseLost: another attempt or epoch holds the job, or it has ended.
    """
    values = values or {"beats": jobs.c.beats}
    row = tx.execute(_held(lease).values(**values).returning(jobs)).one_or_none()
    if row is None:
        raise LeaseLost(
            f"job {lease.job_id} is no longer held by attempt {lease.attempt}, epoch {lease.epoch}"
        )
    return Job(**row._mapping)


def beat(tx: Connection, lease: Lease, *, lease_s: float) -> State:
    """Renew the lease and return the job's state, which tells whether to stop.

    Raises:
        LeaseLost: the lease ran out before.
    """
    return guard(tx, lease, beats=jobs.c.beats + 1, leased_until=read_clock(tx) + lease_s).state


def start(tx: Connection, lease: Lease) -> Job:
    """Mark the leased job as running.

    Raises:
        LeaseLost: the lease ran out before.
    """
    job = guard(tx, lease)
    if job.state is not State.LEASED:
        return job
    events.append(tx, lease.job_id, "state", {"state": State.RUNNING})
    return guard(tx, lease, state=State.RUNNING)


def progress(tx: Connection, lease: Lease, values: Mapping[str, Any], *, fruitful: bool = True) -> None:
    """Store how far the job is; the attempt has then borne fruit, unless it is said not to have."""
    guard(tx, lease, progress=dict(values), **({"fruitless": 0} if fruitful else {}))


def end(
    tx: Connection,
    lease: Lease,
    state: State,
    *,
    result: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
) -> None:
    """End the job in a final state, with what it made or why it failed."""
    assert state in ENDED, state
    values = {"state": state, "ended_at": read_clock(tx), "worker": None, "leased_until": None}
    guard(tx, lease, **values, result=None if result is None else dict(result), error=error)
    events.append(tx, lease.job_id, "state", {"state": state, "error": error})
    if state not in GOOD:
        _fail_dependants(tx, lease.job_id, state)


def settle(tx: Connection, job_id: str, state: State, *, result: Mapping[str, Any] | None = None) -> None:
    """End a queued job without any work: what it was to make is there already, as after an import."""
    values = {"state": state, "ended_at": read_clock(tx), "result": None if result is None else dict(result)}
    tx.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == State.QUEUED).values(**values))
    events.append(tx, job_id, "state", {"state": state})


def release(tx: Connection, lease: Lease, *, counted: bool = False) -> State:
    """Let the job go and return where it went: back to the queue, cancelled or paused."""
    job = guard(tx, lease)
    return _let_go(tx, job, counted=counted)


def move(tx: Connection, job_id: str, request: str) -> State:
    """Carry out a client's cancel, pause or resume and return the new state.

    Raises:
        Conflict: the job's state does not allow it; the message names the state.
    """
    for state, target in MOVES[request].items():
        values: dict[str, Any] = {"state": target}
        if target in ENDED:
            values["ended_at"] = read_clock(tx)
        if target is State.QUEUED:
            values["queued_at"] = read_clock(tx)
        moved = tx.execute(
            update(jobs).where(jobs.c.id == job_id, jobs.c.state == state).values(**values)
        ).rowcount
        if moved:
            events.append(tx, job_id, "state", {"state": target})
            if target in ENDED:
                _fail_dependants(tx, job_id, target)
            return target
    job = get(tx, job_id)
    assert job is not None, job_id
    raise Conflict(f"cannot {request} in state {job.state}; allowed in {', '.join(MOVES[request])}")


def cancel_now(tx: Connection, job_id: str) -> State:
    """End an unfinished job at once; whoever holds it can write nothing more.

    Raises:
        Conflict: the job has ended already.
    """
    now = read_clock(tx)
    statement = update(jobs).where(jobs.c.id == job_id, jobs.c.state.not_in(ENDED))
    values = {"state": State.CANCELLED, "epoch": jobs.c.epoch + 1, "ended_at": now, "worker": None}
    if not tx.execute(statement.values(**values, leased_until=None)).rowcount:
        job = get(tx, job_id)
        raise Conflict(f"cannot cancel in state {job.state if job else 'unknown'}")
    events.append(tx, job_id, "state", {"state": State.CANCELLED})
    _fail_dependants(tx, job_id, State.CANCELLED)
    return State.CANCELLED


def lost(tx: Connection) -> list[Job]:
    """Return the held jobs whose lease has run out on the database's clock."""
    query = select(jobs).where(jobs.c.state.in_(HELD), jobs.c.leased_until < read_clock(tx))
    return [Job(**row._mapping) for row in tx.execute(query)]


def held(tx: Connection, *, worker: str | None = None) -> list[Job]:
    """Return the jobs that some worker, or the one named, holds."""
    query = select(jobs).where(jobs.c.state.in_(HELD))
    if worker is not None:
        query = query.where(jobs.c.worker == worker)
    return [Job(**row._mapping) for row in tx.execute(query)]


def reclaim(tx: Connection, job: Job, *, attempts: int) -> State | None:
    """Take the job from its silent holder and return where it went; None if it had moved on by itself.

    The new epoch makes every later write of the old holder fail.
    """
    statement = update(jobs).where(and_(*_same(job.lease)), jobs.c.beats == job.beats)
    row = tx.execute(statement.values(epoch=jobs.c.epoch + 1).returning(jobs)).one_or_none()
    if row is None:
        return None
    taken = Job(**row._mapping)
    if taken.state in (State.LEASED, State.RUNNING) and taken.fruitless >= attempts:
        error = {
            "title": "The worker died repeatedly",
            "detail": f"{taken.fruitless} attempts ended without a result",
        }
        end(tx, taken.lease, State.FAILED, error=error)
        return State.FAILED
    return _let_go(tx, taken, counted=True)


def remove(tx: Connection, job_id: str) -> None:
    """Remove an ended job and, by their references, everything that belongs to it."""
    tx.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(ENDED)))


def active_count(tx: Connection, owner: str) -> int:
    """Return how many unfinished jobs the owner has."""
    return int(tx.execute(ACTIVE, {"of": owner}).scalar_one())


def standing(tx: Connection, owner: str, job_id: str) -> tuple[int, bool]:
    """Return how many unfinished jobs the owner has, and whether this job is stored already; the clock is
    read along, in one statement.
    """
    dialect = tx.dialect.name
    if dialect not in STANDING:
        known = exists().where(jobs.c.id == bindparam("wanted"))
        STANDING[dialect] = select(ACTIVE.scalar_subquery(), known, clock(tx))
    active, stored, now = tx.execute(STANDING[dialect], {"of": owner, "wanted": job_id}).one()
    keep_clock(tx, now)
    return int(active), bool(stored)


def counts(tx: Connection) -> dict[tuple[str, str], int]:
    """Return how many jobs there are, by kind and state."""
    query = select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
    return {(kind, state): count for kind, state, count in tx.execute(query)}


def needed_by(tx: Connection, job_id: str) -> list[Job]:
    """Return the jobs that this job needs."""
    query: Select[Any] = (
        select(jobs).join(needs, needs.c.needs_id == jobs.c.id).where(needs.c.job_id == job_id)
    )
    return [Job(**row._mapping) for row in tx.execute(query)]


def _let_go(tx: Connection, job: Job, *, counted: bool) -> State:
    target = AFTER_LOSS[job.state]
    values: dict[str, Any] = {"state": target, "worker": None, "leased_until": None, "epoch": job.epoch + 1}
    if not counted:
        values["fruitless"] = max(job.fruitless - 1, 0)
    if target in ENDED:
        values["ended_at"] = read_clock(tx)
    guard(tx, job.lease, **values)
    events.append(tx, job.id, "state", {"state": target})
    if target in ENDED:
        _fail_dependants(tx, job.id, target)
    return target


def _fail_dependants(tx: Connection, job_id: str, state: State) -> None:
    cause = get(tx, job_id)
    assert cause is not None, job_id
    query = (
        select(jobs.c.id)
        .join(needs, needs.c.job_id == jobs.c.id)
        .where(needs.c.needs_id == job_id, or_(jobs.c.state == State.QUEUED, jobs.c.state == State.PAUSED))
    )
    reason = (cause.error or {}).get("detail", "no reason was recorded")
    error = {
        "title": f"A {cause.kind} that this needs is {state}",
        "detail": f"{cause.kind} {job_id}: {reason}",
    }
    for (dependant,) in tx.execute(query).all():
        tx.execute(
            update(jobs)
            .where(jobs.c.id == dependant)
            .values(state=State.FAILED, error=error, ended_at=read_clock(tx))
        )
        events.append(tx, dependant, "state", {"state": State.FAILED, "error": error})
        _fail_dependants(tx, dependant, State.FAILED)


def _held(lease: Lease) -> Update:
    return update(jobs).where(and_(*_same(lease)))


def _same(lease: Lease) -> list[Any]:
    held_states = jobs.c.state.in_(HELD)
    return [
        jobs.c.id == lease.job_id,
        jobs.c.attempt == lease.attempt,
        jobs.c.epoch == lease.epoch,
        held_states,
    ]
