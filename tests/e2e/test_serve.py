"""The service as a user starts it: ready, used over HTTP, killed in part, ended; nothing stays behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.client import Client
from service.processes import descendants

WAIT = threading.Event()
"""Never set: a wait on it is a pause between two looks."""


def eventually(look: Callable[[], bool], seconds: float = 90.0) -> None:
    """Look again and again until it holds."""
    for _ in range(int(seconds / 0.1)):
        if look():
            return
        WAIT.wait(0.1)
    raise AssertionError(f"it did not come about within {seconds:g} s")


class Running:
    """A `neckline serve` process."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        environment = {**os.environ, "NECKLINE_EXECUTOR": "local", "NECKLINE_LOW_WATER_BYTES": "0"}
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--data", str(data), *options]
        (data / "address").unlink(missing_ok=True)
        self.log = (data / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)

    @property
    def address(self) -> str:
        return (self.data / "address").read_text().strip()

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.data / "log").read_text()[-2000:]
        if not (self.data / "address").exists():
            return False
        try:
            return httpx.get(f"{self.address}/readyz", trust_env=False, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def workers(self) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if "worker" in _command_line(pid)]

    def end(self, number: signal.Signals = signal.SIGTERM) -> list[int]:
        """End it and return which of its processes are still there."""
        below = descendants(self.process.pid)
        self.process.send_signal(number)
        assert self.process.wait(60) == 0, (self.data / "log").read_text()[-2000:]
        self.log.close()
        return [pid for pid in below if Path(f"/proc/{pid}").exists() and "service.cli" in _command_line(pid)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path)
    eventually(started.is_ready)
    yield started
    if started.process.poll() is None:
        started.end()


def test_a_first_start_makes_a_private_key_and_says_where_to_sign_in(running: Running) -> None:
    key = running.data / "admin.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    printed = (running.data / "log").read_text()
    assert f"{running.address}/signin?token={running.key}" in printed
    answer = httpx.get(f"{running.address}/signin", params={"token": running.key}, trust_env=False)
    assert answer.status_code == 303
    assert httpx.get(f"{running.address}/api/v1/searches", trust_env=False).status_code == 401


def test_a_dataset_is_made_though_the_worker_is_killed_and_a_signal_ends_everything(running: Running) -> None:
    with Client(running.address, running.key) as client:
        (worker,) = running.workers()
        os.kill(worker, signal.SIGKILL)
        dataset = client.make_digits(train=8, val=4, seed=3)
        ready = client.wait(dataset, timeout_s=120)
        assert ready.statistics is not None and ready.statistics["train"]["images"] == 8
        assert running.workers() != [worker]
    assert running.end() == []
    again = Running(running.data)
    eventually(again.is_ready)
    with Client(again.address, again.key) as client:
        assert [found.id for found in client.datasets()] == [dataset.id]
        assert client.dataset(dataset.id).state == "SUCCEEDED"
    assert again.end() == []


def test_a_dataset_that_cannot_be_used_fails_with_its_file_record_and_remedy(running: Running) -> None:
    from service.client import ApiError

    root = running.data / "datasets"
    (root / "broken" / "train" / "images").mkdir(parents=True)
    (root / "broken" / "train" / "annotations.json").write_text("{")
    with Client(running.address, running.key) as client, pytest.raises(ApiError) as refused:
        client.register_dataset("broken")
    fault = refused.value.problem["errors"][0]
    assert refused.value.status == 422 and fault["pointer"] == "/path"
    assert "broken/train/annotations.json" in fault["detail"] and str(root) not in fault["detail"]
