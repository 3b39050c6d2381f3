"""The queue's promises, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from service.errors import Conflict, LeaseLost
from service.identifiers import new_id
from service.records import Job
from service.states import State
from service.store import Store
from service.stores import events, jobs
from service.tables import jobs as table

KINDS = ("search",)


def enqueue(store: Store, *, owner: str = "ada", kind: str = "search", **options: Any) -> str:
    identifier = new_id()
    with store.database.write() as tx:
        jobs.enqueue(tx, jobs.NewJob(identifier, kind, owner, {}, **options))
    return identifier


def claim(store: Store, worker: str = "w", lease_s: float = 30.0) -> Job | None:
    with store.database.write() as tx:
        return jobs.claim(tx, worker=worker, kinds=KINDS, lease_s=lease_s)


def claimed(store: Store, **options: Any) -> Job:
    job = claim(store, **options)
    assert job is not None
    return job


def state(store: Store, job_id: str) -> State:
    with store.database.read() as tx:
        job = jobs.get(tx, job_id)
    assert job is not None
    return job.state


def test_an_empty_queue_gives_nothing(store: Store) -> None:
    assert claim(store) is None


def test_jobs_of_another_kind_are_left_alone(store: Store) -> None:
    enqueue(store, kind="train")
    assert claim(store) is None


def test_a_claimed_job_is_not_given_again(store: Store) -> None:
    identifier = enqueue(store)
    assert claimed(store).id == identifier
    assert claim(store) is None


def test_higher_priority_goes_first_and_age_decides_among_equals(store: Store) -> None:
    first, second, urgent = enqueue(store), enqueue(store), enqueue(store, priority=1)
    assert [claimed(store).id for _ in range(3)] == [urgent, first, second]


def test_owners_take_turns(store: Store) -> None:
    greedy = [enqueue(store, owner="greedy") for _ in range(3)]
    modest = enqueue(store, owner="modest")
    assert [claimed(store).id for _ in range(3)] == [greedy[0], modest, greedy[1]]


def test_an_owner_who_was_served_lately_waits_even_with_nothing_held(store: Store) -> None:
    done, waiting, other = enqueue(store), enqueue(store), enqueue(store, owner="bob")
    job = claimed(store)
    with store.database.write() as tx:
        jobs.end(tx, job.lease, State.SUCCEEDED)
    assert job.id == done
    assert [claimed(store).id for _ in range(2)] == [other, waiting]


def test_what_was_interrupted_goes_on_before_anything_new(store: Store) -> None:
    begun, _, other = enqueue(store), enqueue(store), enqueue(store, owner="bob")
    job = claimed(store)
    with store.database.write() as tx:
        assert jobs.reclaim(tx, job, attempts=3) is State.QUEUED
    assert [claimed(store).id for _ in range(2)] == [begun, other]


def test_what_was_paused_and_resumed_waits_its_turn(store: Store) -> None:
    paused, _, other = enqueue(store), enqueue(store), enqueue(store, owner="bob")
    job = claimed(store)
    with store.database.write() as tx:
        jobs.move(tx, paused, "pause")
        jobs.release(tx, job.lease)
        jobs.move(tx, paused, "resume")
    assert claimed(store).id == other


def test_concurrent_claims_never_give_a_job_twice(store: Store) -> None:
    wanted = {enqueue(store) for _ in range(24)}
    taken: list[str] = []
    lock = threading.Lock()

    def work() -> None:
        while (job := claim(store)) is not None:
            with lock:
                taken.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(wanted)


def test_a_job_waits_for_what_it_needs(store: Store) -> None:
    needed = enqueue(store)
    waiting = enqueue(store, priority=9, needs=(needed,))
    job = claimed(store)
    assert job.id == needed and claim(store) is None
    with store.database.write() as tx:
        jobs.end(tx, job.lease, State.SUCCEEDED)
    assert claimed(store).id == waiting


def test_a_failure_fails_what_needs_it_and_says_why(store: Store) -> None:
    needed = enqueue(store)
    waiting = enqueue(store, needs=(needed,))
    last = enqueue(store, needs=(waiting,))
    with store.database.write() as tx:
        jobs.end(
            tx,
            jobs.claim(tx, worker="w", kinds=KINDS, lease_s=9).lease,
            State.FAILED,
            error={"title": "Broken", "detail": "no data"},
        )  # type: ignore[union-attr]
        error = (jobs.get(tx, waiting) or pytest.fail()).error
    assert error is not None and "no data" in error["detail"]
    assert state(store, last) is State.FAILED


def test_a_lost_lease_returns_to_the_queue_with_a_higher_epoch(store: Store) -> None:
    enqueue(store)
    old = claimed(store, lease_s=-1.0)
    with store.database.write() as tx:
        assert [job.id for job in jobs.lost(tx)] == [old.id]
        assert jobs.reclaim(tx, old, attempts=3) is State.QUEUED
    new = claimed(store)
    assert (new.attempt, new.epoch > old.epoch) == (2, True)


@pytest.mark.parametrize("write", ["beat", "progress", "end", "release", "start"])
def test_a_worker_that_lost_its_lease_can_write_nothing(store: Store, write: str) -> None:
    identifier = enqueue(store)
    old = claimed(store, lease_s=-1.0)
    with store.database.write() as tx:
        jobs.reclaim(tx, old, attempts=3)
    claimed(store, worker="other")
    writes = {
        "beat": lambda tx: jobs.beat(tx, old.lease, lease_s=30),
        "progress": lambda tx: jobs.progress(tx, old.lease, {"step": 1}),
        "end": lambda tx: jobs.end(tx, old.lease, State.SUCCEEDED),
        "release": lambda tx: jobs.release(tx, old.lease),
        "start": lambda tx: jobs.start(tx, old.lease),
    }
    with pytest.raises(LeaseLost), store.database.write() as tx:
        writes[write](tx)
    with store.database.read() as tx:
        job = jobs.get(tx, identifier)
    assert job is not None and (job.state, job.worker, job.progress) == (State.LEASED, "other", None)


def test_a_beat_that_came_in_between_keeps_the_job(store: Store) -> None:
    enqueue(store)
    seen = claimed(store, lease_s=-1.0)
    with store.database.write() as tx:
        jobs.beat(tx, seen.lease, lease_s=30)
    with store.database.write() as tx:
        assert jobs.reclaim(tx, seen, attempts=3) is None
        assert jobs.lost(tx) == []


def test_attempts_without_a_result_are_counted_and_end_the_job(store: Store) -> None:
    identifier = enqueue(store)
    for expected in (State.QUEUED, State.QUEUED, State.FAILED):
        job = claimed(store, lease_s=-1.0)
        with store.database.write() as tx:
            assert jobs.reclaim(tx, job, attempts=3) is expected
    assert state(store, identifier) is State.FAILED


def test_a_result_sets_the_count_of_fruitless_attempts_back(store: Store) -> None:
    enqueue(store)
    for _ in range(5):
        job = claimed(store, lease_s=-1.0)
        with store.database.write() as tx:
            jobs.progress(tx, job.lease, {"step": 1})
            assert jobs.reclaim(tx, jobs.get(tx, job.id) or job, attempts=2) is State.QUEUED


def test_letting_go_in_order_is_not_an_attempt(store: Store) -> None:
    enqueue(store)
    for _ in range(5):
        job = claimed(store)
        with store.database.write() as tx:
            assert jobs.release(tx, job.lease) is State.QUEUED
    assert claimed(store).fruitless == 1


MOVES = [
    (State.QUEUED, "cancel", State.CANCELLED),
    (State.QUEUED, "pause", State.PAUSED),
    (State.QUEUED, "resume", None),
    (State.RUNNING, "cancel", State.CANCELLING),
    (State.RUNNING, "pause", State.PAUSING),
    (State.RUNNING, "resume", None),
    (State.PAUSED, "resume", State.QUEUED),
    (State.PAUSED, "cancel", State.CANCELLED),
    (State.PAUSED, "pause", None),
    (State.PAUSING, "cancel", State.CANCELLING),
    (State.PAUSING, "resume", None),
    (State.CANCELLING, "pause", None),
    (State.SUCCEEDED, "cancel", None),
    (State.FAILED, "resume", None),
    (State.CANCELLED, "cancel", None),
]


@pytest.mark.parametrize(("before", "request_", "after"), MOVES)
def test_moves_are_legal_or_refused_by_name(
    store: Store, before: State, request_: str, after: State | None
) -> None:
    identifier = enqueue(store)
    with store.database.write() as tx:
        tx.execute(update(table).where(table.c.id == identifier).values(state=before))
    if after is None:
        with pytest.raises(Conflict, match=before), store.database.write() as tx:
            jobs.move(tx, identifier, request_)
        assert state(store, identifier) is before
    else:
        with store.database.write() as tx:
            assert jobs.move(tx, identifier, request_) is after
        assert state(store, identifier) is after


@pytest.mark.parametrize(("asked", "after"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)])
@pytest.mark.parametrize("how", ["release", "reclaim"])
def test_what_was_asked_for_survives_the_worker(store: Store, asked: str, after: State, how: str) -> None:
    identifier = enqueue(store)
    job = claimed(store, lease_s=-1.0)
    with store.database.write() as tx:
        jobs.move(tx, identifier, asked)
        held = jobs.get(tx, identifier) or job
        assert (
            jobs.release(tx, held.lease) if how == "release" else jobs.reclaim(tx, held, attempts=1)
        ) is after


def test_cancelling_at_once_shuts_the_holder_out(store: Store) -> None:
    identifier = enqueue(store)
    job = claimed(store)
    with store.database.write() as tx:
        assert jobs.cancel_now(tx, identifier) is State.CANCELLED
    with pytest.raises(LeaseLost), store.database.write() as tx:
        jobs.progress(tx, job.lease, {})
    with pytest.raises(Conflict), store.database.write() as tx:
        jobs.cancel_now(tx, identifier)


def test_events_are_numbered_without_gaps_by_concurrent_writers(store: Store) -> None:
    identifier = enqueue(store)

    def write() -> None:
        for _ in range(10):
            with store.database.write() as tx:
                events.append(tx, identifier, "note", {})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.database.read() as tx:
        numbers = [event.number for event in events.after(tx, identifier, 0)]
        assert events.last_number(tx, identifier) == 41
        assert [event.number for event in events.after(tx, identifier, 39)] == [40, 41]
    assert numbers == list(range(1, 42))


def test_a_rolled_back_transaction_leaves_nothing(store: Store) -> None:
    identifier = enqueue(store)
    with pytest.raises(RuntimeError), store.database.write() as tx:
        events.append(tx, identifier, "note", {})
        raise RuntimeError
    with store.database.read() as tx:
        assert events.last_number(tx, identifier) == 1
