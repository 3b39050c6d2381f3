"""The demo's own service: a process on a free port, its data below one folder, ended at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.client import Client
from service.processes import descendants

READY_S = 120.0
END_S = 60.0


class NotReady(Exception):
    """The service did not become ready; the message shows the end of its log."""


@dataclass(frozen=True)
class Service:
    """A running service."""

    address: str
    key: str
    pid: int
    data: Path

    @property
    def sign_in(self) -> str:
        """Return the address that signs a browser in."""
        return f"{self.address}/signin?token={self.key}"

    def worker_pid(self) -> int | None:
        """Return the process id of the service's worker, None while there is none."""
        for pid in descendants(self.pid):
            words = _command_line(pid)
            if "service.cli" in words and "worker" in words:
                return pid
        return None


@contextmanager
def running(data: Path) -> Iterator[tuple[Service, Client]]:
    """Yield a service with its data in a folder, and a client for it; end it and all its processes after."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "address").unlink(missing_ok=True)
    with (data / "service.log").open("ab") as log:
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--data", str(data)]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        service = _ready(process, data)
        with Client(service.address, service.key) as client:
            yield service, client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _ready(process: subprocess.Popen[bytes], data: Path) -> Service:
    deadline_s = time.monotonic() + READY_S
    while time.monotonic() < deadline_s and process.poll() is None:
        file, key = data / "address", data / "admin.key"
        if file.exists() and key.exists():
            address = file.read_text().strip()
            if _answers(address):
                return Service(address, key.read_text().strip(), process.pid, data)
        time.sleep(0.1)
    tail = "\n".join((data / "service.log").read_text(errors="replace").splitlines()[-20:])
    raise NotReady(f"the service is not ready after {READY_S:g} s; the end of its log:\n{tail}")


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def kill(pid: int) -> None:
    """End a process at once, as a crash would."""
    os.kill(pid, signal.SIGKILL)
