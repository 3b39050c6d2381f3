"""A worker's life: results stored once, stops obeyed, faults recorded, deaths survived. Real loop,
synthetic scores.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from benchmarks import synthetic
from service.readiness import checks
from service.records import Job, Search, StoredEvaluation
from service.states import State
from service.store import Store
from service.stores import evaluations, events, jobs, searches, workers
from service.tables import jobs as table
from service.work import JobFailed, NotReady, Outcome, TryAgain, Work
from service.worker import Watch, Worker, worker_name

LONG = ("search",)


def worker(store: Store, run: Callable[[Work], Outcome] = synthetic.run) -> Worker:
    return Worker(store, name="w", lanes={"long": LONG}, find_runner=lambda _: run)


def job(store: Store, job_id: str) -> Job:
    with store.database.read() as tx:
        found = jobs.get(tx, job_id)
    assert found is not None
    return found


def search(store: Store, search_id: str) -> Search:
    with store.database.read() as tx:
        found = searches.get(tx, search_id)
    assert found is not None
    return found


def record(store: Store, search_id: str) -> list[StoredEvaluation]:
    with store.database.read() as tx:
        return evaluations.history(tx, search_id)


def stored_front(store: Store, search_id: str) -> dict[str, object]:
    with store.database.read() as tx:
        found = searches.front(tx, search_id)
    assert found is not None
    document: dict[str, object] = json.loads(found[1])
    return document


def member_keys(document: dict[str, object]) -> list[str]:
    members = document["members"]
    assert isinstance(members, list)
    return [member["key"] for member in members]


def uninterrupted(store: Store, **options: int) -> dict[str, object]:
    """The front of the same search, left alone."""
    identifier = synthetic.submit(store, owner="other", **options)
    assert worker(store).run_one(LONG)
    return stored_front(store, identifier)


def stopping_after(count: int, act: Callable[[Work], None]) -> Callable[[Work], Outcome]:
    """A runner that does something when a number of evaluations is stored."""

    def run(work: Work) -> Outcome:
        seen = 0

        @contextmanager
        def write() -> Iterator[object]:
            nonlocal seen
            with Work.write(work) as tx:
                yield tx
            seen += 1
            if seen == count:
                act(work)

        watched = dataclasses.replace(work)
        object.__setattr__(watched, "write", write)
        return synthetic.run(watched)

    return run


def test_a_search_ends_with_every_evaluation_once_and_its_front_stored(store: Store) -> None:
    identifier = synthetic.submit(store, evaluations=8)
    assert worker(store).run_one(LONG)
    ended, found = job(store, identifier), record(store, identifier)
    assert ended.state is State.SUCCEEDED and ended.progress is not None and ended.result is not None
    assert len({evaluation.key for evaluation in found}) == len(found) == 9
    assert [evaluation.number for evaluation in found] == list(range(1, 10))
    assert found[0].origin == "baseline:fpn" and search(store, identifier).evaluated == 9
    front = stored_front(store, identifier)
    assert front["id"] == ended.result["front_id"] and len(member_keys(front)) == ended.result["members"] > 0
    with store.database.read() as tx:
        kinds = [event.kind for event in events.after(tx, identifier, 0)]
    assert kinds.count("evaluation") == 9 and kinds[-1] == "state"


class Crash(BaseException):
    """What a dying process looks like from inside: nothing runs after it."""


@pytest.mark.parametrize("count", [1, 5, 9])
def test_a_dead_workers_search_goes_on_elsewhere_to_the_same_front(store: Store, count: int) -> None:
    wanted = member_keys(uninterrupted(store, evaluations=8))
    identifier = synthetic.submit(store, evaluations=8)

    def die(_: Work) -> None:
        raise Crash

    with pytest.raises(Crash):
        worker(store, stopping_after(count, die)).run_one(LONG)
    assert job(store, identifier).state is State.RUNNING and len(record(store, identifier)) == count
    with store.database.write() as tx:
        tx.execute(update(table).where(table.c.id == identifier).values(leased_until=0.0))
    second = worker(store)
    assert second.sweep() == 1
    assert second.run_one(LONG)
    found = record(store, identifier)
    assert len({evaluation.key for evaluation in found}) == len(found) == 9
    assert member_keys(stored_front(store, identifier)) == wanted
    assert (job(store, identifier).state, job(store, identifier).attempt) == (State.SUCCEEDED, 2)


def test_a_worker_that_lost_its_lease_stores_nothing_more(store: Store) -> None:
    identifier = synthetic.submit(store, evaluations=8)

    def take_away(work: Work) -> None:
        with store.database.write() as tx:
            jobs.reclaim(tx, jobs.get(tx, identifier) or work.job, attempts=3)

    assert worker(store, stopping_after(3, take_away)).run_one(LONG)
    assert len(record(store, identifier)) == 3
    assert job(store, identifier).state is State.QUEUED and job(store, identifier).epoch > 0


@pytest.mark.parametrize(("asked", "after"), [("cancel", State.CANCELLED), ("pause", State.PAUSED)])
def test_a_stop_is_obeyed_at_the_next_evaluation_and_keeps_what_was_found(
    store: Store, asked: str, after: State
) -> None:
    identifier = synthetic.submit(store, evaluations=8)
    working: list[Worker] = []

    def ask(_: Work) -> None:
        with store.database.write() as tx:
            jobs.move(tx, identifier, asked)
        working[0].beat()

    working.append(worker(store, stopping_after(3, ask)))
    assert working[0].run_one(LONG)
    assert job(store, identifier).state is after and len(record(store, identifier)) == 3


def test_a_paused_search_goes_on_when_it_is_resumed(store: Store) -> None:
    wanted = member_keys(uninterrupted(store, evaluations=8))
    identifier = synthetic.submit(store, evaluations=8)

    def pause(work: Work) -> None:
        with store.database.write() as tx:
            jobs.move(tx, identifier, "pause")
        work.hold.stop.set()

    assert worker(store, stopping_after(4, pause)).run_one(LONG)
    assert not worker(store).run_one(LONG)
    with store.database.write() as tx:
        assert jobs.move(tx, identifier, "resume") is State.QUEUED
    assert worker(store).run_one(LONG)
    assert member_keys(stored_front(store, identifier)) == wanted and len(record(store, identifier)) == 9


def test_a_stopping_worker_puts_its_job_back_without_counting_the_attempt(store: Store) -> None:
    identifier = synthetic.submit(store, evaluations=8)
    working: list[Worker] = []
    working.append(worker(store, stopping_after(2, lambda _: working[0].stop())))
    assert working[0].run_one(LONG)
    ended = job(store, identifier)
    assert (ended.state, ended.fruitless, len(record(store, identifier))) == (State.QUEUED, 0, 2)


def test_a_fault_ends_the_job_with_its_reason_and_not_the_worker(store: Store) -> None:
    identifier = synthetic.submit(store)

    def fail(_: Work) -> Outcome:
        raise ZeroDivisionError("by design")

    assert worker(store, fail).run_one(LONG)
    ended = job(store, identifier)
    assert ended.state is State.FAILED and ended.error is not None
    assert "ZeroDivisionError: by design" in ended.error["detail"]


def test_a_known_fault_carries_its_pointer(store: Store) -> None:
    identifier = synthetic.submit(store)

    def fail(_: Work) -> Outcome:
        raise JobFailed("No", "bad width", pointer="/space")

    assert worker(store, fail).run_one(LONG)
    assert job(store, identifier).error == {"title": "No", "detail": "bad width", "pointer": "/space"}


def test_what_broke_down_is_tried_again_a_few_times(store: Store) -> None:
    identifier = synthetic.submit(store)

    def break_down(_: Work) -> Outcome:
        raise TryAgain("Ray is gone")

    for expected in (State.QUEUED, State.QUEUED, State.FAILED):
        assert worker(store, break_down).run_one(LONG)
        assert job(store, identifier).state is expected
    error = job(store, identifier).error
    assert error is not None and error["detail"] == "Ray is gone"


def test_what_is_not_there_yet_is_waited_for_without_an_end(store: Store) -> None:
    identifier = synthetic.submit(store)

    def wait(_: Work) -> Outcome:
        raise NotReady("Ray did not start")

    for _ in range(store.settings.attempts + 2):
        assert not worker(store, wait).run_one(LONG), "it must give Ray time"
        assert (job(store, identifier).state, job(store, identifier).fruitless) == (State.QUEUED, 0)


def test_readiness_says_what_broke_down_until_a_job_ends_well(store: Store) -> None:
    on_ray = dataclasses.replace(store, settings=store.settings.model_copy(update={"executor": "ray"}))

    def break_down(_: Work) -> Outcome:
        raise TryAgain("Ray is gone")

    def end_well(_: Work) -> Outcome:
        return Outcome()

    synthetic.submit(store)
    for run, ok in ((break_down, False), (end_well, True)):
        working = worker(on_ray, run)
        assert working.run_one(LONG)
        working.beat()
        (ray,) = [check for check in checks(on_ray) if check.name == "ray"]
        assert ray.ok is ok and ("Ray is gone" in ray.detail) is not ok


def test_a_database_that_was_away_costs_no_attempt(store: Store) -> None:
    identifier = synthetic.submit(store)

    def lose(_: Work) -> Outcome:
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    assert not worker(store, lose).run_one(LONG), "it must give the database time"
    assert (job(store, identifier).state, job(store, identifier).fruitless) == (State.QUEUED, 0)


def test_silence_is_seen_without_trusting_any_clock(store: Store) -> None:
    identifier = synthetic.submit(store)
    with store.database.write() as tx:
        held = jobs.claim(tx, worker="w", kinds=LONG, lease_s=1e9)
    assert held is not None and held.id == identifier
    watch = Watch(patience_s=30)
    assert watch.silent([held], 0.0) == [] and watch.silent([held], 29.0) == []
    beaten = dataclasses.replace(held, beats=held.beats + 1)
    assert watch.silent([beaten], 31.0) == [] and watch.silent([beaten], 60.0) == []
    assert watch.silent([beaten], 62.0) == [beaten]


def test_a_worker_that_died_on_this_machine_is_not_waited_for(store: Store) -> None:
    identifier = synthetic.submit(store)
    script = "from service.worker import worker_name; print(worker_name())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, swept in ((worker_name(), 0), ("elsewhere:1:0123456789:abcdef", 0), (dead.stdout.strip(), 1)):
        with store.database.write() as tx:
            held = jobs.claim(tx, worker=name, kinds=LONG, lease_s=1e9)
        assert held is not None and held.id == identifier
        assert worker(store).sweep() == swept, name
        if not swept:
            with store.database.write() as tx:
                jobs.release(tx, held.lease)
    assert job(store, identifier).state is State.QUEUED


def test_a_running_worker_takes_what_comes_and_ends_when_asked(store: Store) -> None:
    working = worker(store)
    thread = threading.Thread(target=working.run)
    thread.start()
    identifier = synthetic.submit(store, evaluations=4)
    ended = threading.Event()
    while job(store, identifier).state is not State.SUCCEEDED:
        assert thread.is_alive()
        ended.wait(0.02)
    working.stop()
    thread.join(20)
    assert not thread.is_alive()
    with store.database.read() as tx:
        assert workers.count(tx, within_s=60) == 0


def test_a_worker_that_ended_beats_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    working, beating, go_on = worker(store), threading.Event(), threading.Event()
    beat = working.beat

    def slow() -> None:
        beating.set()
        assert go_on.wait(20)
        beat()

    monkeypatch.setattr(working, "beat", slow)
    thread = threading.Thread(target=working.run)
    thread.start()
    assert beating.wait(20)
    working.stop()
    thread.join(0.3)
    assert thread.is_alive(), "it ended before its beat did"
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    with store.database.read() as tx:
        assert workers.count(tx, within_s=60) == 0
