"""A worker process beside the API: started, watched, started again when it dies, ended with the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import structlog
from sqlalchemy.exc import DBAPIError

from service.settings import Settings
from service.store import Store
from service.stores import jobs
from service.worker import worker_name

RESTART_S = 1.0
log = structlog.get_logger("supervisor")


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which another process finds the same settings."""
    given = settings.model_dump(mode="json", exclude_none=True)
    plain = {name: value for name, value in given.items() if isinstance(value, str | int | float | bool)}
    passed = {f"NECKLINE_{name.upper()}": str(value) for name, value in plain.items()}
    passed["NECKLINE_DATA"] = str(settings.data.absolute())
    return {**os.environ, **passed}


class Supervisor:
    """Keeps one worker process alive."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._patience_s = 0.0
        self._thread = threading.Thread(target=self._keep, name="supervisor")

    @property
    def pid(self) -> int | None:
        """Return the worker's process id."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the worker and watch it."""
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Ask the worker to save its work and end; kill it after the patience."""
        self._patience_s = patience_s
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            name = worker_name()
            command = [sys.executable, "-m", "service.cli", "worker"]
            command += ["--name", name, "--parent", str(os.getpid())]
            environment_ = environment(self._store.settings)
            self._process = subprocess.Popen(command, env=environment_, start_new_session=True)
            while self._process.poll() is None and not self._stopping.wait(0.1):
                pass
            if self._stopping.is_set():
                self._end(self._process)
            else:
                log.warning("worker.died", code=self._process.returncode)
                self._release(name)
                self._stopping.wait(RESTART_S)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            log.warning("worker.killed", patience_s=self._patience_s)
            process.kill()
            process.wait()

    def _release(self, name: str) -> None:
        """Return the dead worker's jobs to the queue at once: nobody can know better that it is dead."""
        try:
            with self._store.database.write() as tx:
                for job in jobs.held(tx, worker=name):
                    jobs.reclaim(tx, job, attempts=self._store.settings.attempts)
        except DBAPIError as error:
            log.warning("database.unavailable", error=str(error.orig))
