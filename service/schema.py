"""The database's schema: which version it has, how to upgrade it, back it up and check it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text

from service.database import Database
from service.errors import Conflict
from service.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_LOCK = 0x6E65636B  # one migration at a time, whoever starts first


@dataclass(frozen=True)
class Condition:
    """The schema's state: its revision, the newest one, and every difference from the tables."""

    revision: str | None
    newest: str
    differences: tuple[str, ...]

    @property
    def current(self) -> bool:
        """Return whether nothing is left to upgrade."""
        return self.revision == self.newest


def upgrade(database: Database, revision: str = "head") -> str:
    """Bring the schema up to a revision and return it; safe when several processes start at once."""
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        command.upgrade(_config(connection), revision)
        found = MigrationContext.configure(connection).get_current_revision()
    assert found is not None, "the migrations ran but left no revision"
    return found


def newest() -> str:
    """Return the newest revision that this installation knows."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None, MIGRATIONS
    return head


def revision(database: Database) -> str | None:
    """Return the schema's revision, None for an empty database."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def check(database: Database) -> Condition:
    """Return the schema's condition, compared with the tables that the code expects."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = compare_metadata(context, metadata)
        found = context.get_current_revision()
    return Condition(found, newest(), tuple(str(difference) for difference in differences))


def backup(database: Database, target: Path) -> Path:
    """Write a consistent copy of a database in use and return its path.

    Raises:
        Conflict: the target exists, or the database's own dump tool failed.
    """
    if target.exists():
        raise Conflict(f"{target} exists already: choose a new file")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    if database.is_sqlite:
        _backup_sqlite(Path(database.engine.url.database or ""), partial)
    else:
        _backup_postgres(database, partial)
    partial.rename(target)
    return target


def _backup_sqlite(source: Path, target: Path) -> None:
    origin, copy = sqlite3.connect(source), sqlite3.connect(target)
    try:
        origin.backup(copy)
    finally:
        origin.close()
        copy.close()


def _backup_postgres(database: Database, target: Path) -> None:
    url = make_url(database.engine.url).set(drivername="postgresql")
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    plain = url.set(password=None).render_as_string()
    run = ["pg_dump", "--format=custom", f"--file={target}", plain]
    try:
        done = subprocess.run(
            run, capture_output=True, text=True, env={**os.environ, **password}, check=False
        )
    except FileNotFoundError as error:
        raise Conflict(
            "pg_dump is not on the PATH: install PostgreSQL's client tools, as new as the server, "
            "or with docker compose: docker compose exec -T postgres pg_dump -U neckline -Fc neckline > FILE"
        ) from error
    if done.returncode:
        raise Conflict(f"pg_dump failed: {done.stderr.strip()}")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
