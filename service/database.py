"""A database of the service: SQLite or PostgreSQL behind one way to read and one way to write."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Engine,
    Table,
    create_engine,
    event,
    literal_column,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError, OperationalError

BUSY_TIMEOUT_MS = 30_000
NOW = "neckline_now"
"""Under this name a connection knows the time that its transaction has read."""
REST_S = 1.0
"""A pooled connection that rested longer is tried before it is used: the server may be gone since."""
RESTED = "neckline_rested"
UNSYNCED = ("-c synchronous_commit=off",)
"""A commit does not wait for PostgreSQL's disk. The log is written in order: a later commit that waits makes
these last too.
"""
SINGLY = {"isolation_level": "AUTOCOMMIT"}
"""PostgreSQL's READ COMMITTED shows each statement the latest state anyway: a transaction around reads would
add nothing but two round trips.
"""


class Database:
    """Connections to one database; made in ``wiring`` only."""

    def __init__(self, url: str, *, pool: int = 10) -> None:
        self.engine = _sqlite_engine(url, pool) if url.startswith("sqlite") else _postgres_engine(url, pool)
        hasty = self.engine if self.is_sqlite else _postgres_engine(url, pool, *UNSYNCED)
        self._singly = self.engine if self.is_sqlite else hasty.execution_options(**SINGLY)
        self._durable = self.engine.execution_options(neckline_begin="IMMEDIATE", neckline_durable=True)
        self._soft = hasty.execution_options(neckline_begin="IMMEDIATE", neckline_durable=False)
        self._turn = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Return whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that only reads: on SQLite one state of the database throughout, on PostgreSQL
        what is committed when each statement begins.
        """
        with self._singly.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Yield a connection inside a transaction that is committed at the end, or rolled back.

        Args:
            durable: wait until the disk has it. Without, a loss of power (not a crash of the process) may
                undo it, but never while it keeps a later durable transaction: the log is written in order.
        """
        engine = self._durable if durable else self._soft
        with self._alone(), engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def note(self) -> Iterator[Connection]:
        """Yield a connection for statements that need not be one transaction: cheaper than ``write``.

        A loss of power may undo them. On SQLite they are one, on PostgreSQL each is committed by itself.
        """
        if self.is_sqlite:
            with self.write(durable=False) as connection:
                yield connection
            return
        with self._singly.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let the threads of this process write to SQLite in turns: SQLite itself lets writers wait by
        sleeping ever longer.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            late = TimeoutError(f"another thread has been writing for {BUSY_TIMEOUT_MS} ms")
            raise OperationalError("BEGIN IMMEDIATE", None, late)
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close every connection."""
        for engine in (self.engine, self._soft):
            engine.dispose()


def read_clock(connection: Connection) -> float:
    """Return the time on the database's clock when the transaction first asked, seconds since 1970."""
    known: float | None = connection.info.get(NOW)
    if known is None:
        known = float(connection.exec_driver_sql(f"SELECT {_clock(connection)}").scalar_one())
        connection.info[NOW] = known
    return known


def keep_clock(connection: Connection, now: float) -> None:
    """Let ``read_clock`` return what a statement of this transaction read from ``clock`` along the way."""
    connection.info[NOW] = now


def clock(connection: Connection) -> ColumnElement[float]:
    """Return the database's clock as an expression, seconds since 1970 when the statement begins."""
    return literal_column(_clock(connection), Double)


def insert(connection: Connection, table: Table) -> Any:
    """Return the dialect's own INSERT, which knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(
    connection: Connection,
    table: Table,
    values: Mapping[str, Any],
    computed: Mapping[str, ColumnElement[Any]] | None = None,
) -> bool:
    """Insert a row unless its key or another unique value is taken, and return whether it was new."""
    key = next(iter(table.primary_key))
    statement = insert(connection, table)
    if computed:
        statement = statement.values(**computed)
    statement = statement.on_conflict_do_nothing().returning(key)
    return connection.execute(statement, dict(values)).one_or_none() is not None


def _clock(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return "(julianday('now') - 2440587.5) * 86400.0"
    return "extract(epoch FROM clock_timestamp())::float8"


def _sqlite_engine(url: str, pool: int) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise ValueError(
            f"the database {url!r} is not a file: name one, as in sqlite:////var/lib/neckline/neckline.db"
        )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, pool_size=pool, max_overflow=50, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.info.pop(NOW, None)
    options = connection.get_execution_options()
    kind = options.get("neckline_begin", "DEFERRED")
    if kind == "IMMEDIATE":
        level = "FULL" if options["neckline_durable"] else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql(f"BEGIN {kind}")


def _forget_clock(connection: Connection) -> None:
    connection.info.pop(NOW, None)


def _postgres_engine(url: str, pool: int, *options: str) -> Engine:
    """Return an engine whose connections have these settings of the server."""
    place = _with_driver(url)
    given = " ".join(filter(None, (str(place.query.get("options", "")), *options)))
    engine = create_engine(
        place,
        pool_size=pool,
        max_overflow=50,
        pool_timeout=30,
        pool_use_lifo=True,  # the connection used last knows the statements and is in the caches
        connect_args={"prepare_threshold": 0} | ({"options": given} if given else {}),
    )
    event.listen(engine, "begin", _forget_clock)
    event.listen(engine, "checkin", _rest)
    event.listen(engine, "checkout", partial(_try_rested, engine))
    return engine


def _rest(_connection: Any, record: Any) -> None:
    record.info[RESTED] = time.monotonic()


def _try_rested(engine: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """Replace a connection that rested and no longer answers."""
    if time.monotonic() - record.info.get(RESTED, time.monotonic()) < REST_S:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError("the connection no longer answers") from error


def _with_driver(url: str) -> Any:
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
