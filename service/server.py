"""The running service: the API on a socket, a worker beside it, and an orderly end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from service import processes, schema
from service.app import create_app, warm
from service.database import read_clock
from service.ray_cluster import is_loopback
from service.settings import Settings
from service.store import Store
from service.stores import keys
from service.supervisor import Supervisor

ADMIN = "admin"
ADDRESS_FILE = "address"
log = structlog.get_logger("server")


class Server(uvicorn.Server):
    """A uvicorn server that lets long answers know when it is asked to end."""

    def __init__(self, app: FastAPI) -> None:
        graceful_s = 10
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=graceful_s,
                server_header=False,
            )
        )
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals as ``serve`` has set them: uvicorn would raise the signal that it ended for once
        more, and the process would die of it before it has ended the processes below it.
        """
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End event streams, then the server."""
        self._app.state.closing.set()
        super().handle_exit(sig, frame)


def bind(settings: Settings) -> socket.socket:
    """Return a listening socket on the settings' host and port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    return listener


def admin_key(store: Store) -> tuple[str, bool]:
    """Return the first key, and whether it is new; it lies in ``DATA/admin.key``, readable by its owner
    only.
    """
    path = store.settings.data / "admin.key"
    with store.database.write() as tx:
        if path.exists():
            secret = path.read_text().strip()
            if keys.find(tx, secret) is not None:
                return secret, False
        if keys.count(tx) and not path.exists():
            return "", False
        issued = keys.issue(
            tx, owner=ADMIN, name=f"first key, {read_clock(tx):.0f}", scopes=("admin", "write", "read")
        )
        _write_private(path, issued.secret)
    return issued.secret, True


def serve(store: Store, listener: socket.socket, *, worker: bool) -> None:
    """Serve until asked to end, then let in-flight work be saved and end every process that was started."""
    processes.adopt_orphans()
    server = Server(create_app(store))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    supervisor = Supervisor(store) if worker else None
    if supervisor is not None:
        supervisor.start()
    try:
        threading.Thread(target=warm, name="warming", daemon=True).start()
        server.run(sockets=[listener])
    finally:
        if supervisor is not None:
            supervisor.stop(store.settings.shutdown_s)
        processes.end_descendants(5.0)
        listener.close()


def prepare(store: Store) -> str:
    """Bring the database up to date and return the first key, empty when it was shown before and is gone.

    Raises:
        PermissionError: a bind address beyond loopback without any key.
    """
    schema.upgrade(store.database)
    secret, _new = admin_key(store)
    with store.database.read() as tx:
        if not keys.count(tx) and not is_loopback(f"{store.settings.host}:0"):
            raise PermissionError("the service is bound to loopback only, until a key exists")
    return secret


def announce(data: Path, address: str) -> None:
    """Write where the service answers, for commands on this machine."""
    _write_private(data / ADDRESS_FILE, address)


def _write_private(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
