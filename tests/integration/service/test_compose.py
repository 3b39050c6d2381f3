"""docker-compose.yml: what it promises, and that its commands make a working service as local processes."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.client import Client

ROOT = Path(__file__).parents[3]
WAIT = threading.Event()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def command(service: dict[str, Any]) -> list[str]:
    given = service["command"]
    return shlex.split(given) if isinstance(given, str) else list(given)


def test_every_part_is_there_with_a_health_check_and_without_privileges(services: dict[str, Any]) -> None:
    assert {"api", "worker", "ray-head", "ray-worker", "postgres"} <= services.keys()
    for name, service in services.items():
        assert service["user"] not in ("root", "0", "0:0"), name
        assert service["cap_drop"] == ["ALL"], name
        assert "privileged" not in service, name
        check = service.get("healthcheck", {})
        assert check.get("test") or check.get("disable"), name


def test_only_the_api_is_published_and_on_loopback(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}


def test_no_secret_is_written_down(services: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert "POSTGRES_PASSWORD_FILE" in text and not re.search(r"POSTGRES_PASSWORD:", text)
    for service in services.values():
        environment = service.get("environment", {})
        assert not any(
            "://" in str(value) and ":" in str(value).split("@")[0].split("://")[1]
            for value in environment.values()
        )


def test_ray_has_no_dashboard_and_wants_a_token(services: dict[str, Any]) -> None:
    assert "--include-dashboard=false" in command(services["ray-head"])
    for name in ("ray-head", "ray-worker", "worker"):
        assert services[name]["environment"]["RAY_AUTH_MODE"] == "token", name


class Local:
    """The commands of the file as processes on this machine, on free ports, in a folder of their own."""

    def __init__(self, services: dict[str, Any], folder: Path, database_url: str) -> None:
        self.services, self.folder = services, folder
        self.port = 20000 + os.getpid() % 20000
        token = folder / "token"
        token.write_text("a" * 64)
        token.chmod(0o600)
        replaced = {"/data": str(folder / "data"), "/secrets/ray/token": str(token), "ray-head": "127.0.0.1"}
        self.replaced = replaced | {
            ":6379": f":{self.port}",
            "--port=6379": f"--port={self.port}",
            "8000": "0",
        }
        self.base = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NECKLINE_LOW_WATER_BYTES": "0",
            "OMP_NUM_THREADS": "1",
            "RAY_prestart_worker_first_driver": "0",  # one node would start a process a core
        }
        self.database_url = database_url
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, override: list[str] | None = None) -> subprocess.Popen[bytes]:
        service = self.services[name]
        words = [self._here(word) for word in (override or command(service))]
        environment = {key: self._here(str(value)) for key, value in service.get("environment", {}).items()}
        if "NECKLINE_DATABASE_URL" in environment:
            environment["NECKLINE_DATABASE_URL"] = self.database_url
        environment.pop("NECKLINE_HOST", None)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                env={**self.base, **environment},
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, name: str) -> None:
        assert self.start(name).wait(120) == 0, self.log(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-2000:]

    def start_node(self, name: str) -> None:
        """Start a service that joins Ray, and wait until its node is in the cluster.

        One after the other, since nodes that start at once on one machine contend for names and ports (in
        the file each has a machine of its own), and once more if need be, as `restart` says. Where others
        start Rays on this machine at the same time, a node may lose one of its ports to them and hang.
        """
        assert self.services[name]["restart"] == "unless-stopped"
        assert any(self._joins(name) for _ in range(3)), self.log(name)

    def _joins(self, name: str) -> bool:
        before = len(self.nodes())
        process = self.start(name)
        with contextlib.suppress(AssertionError):
            eventually(lambda: process.poll() is not None or len(self.nodes()) > before, 90)
        if len(self.nodes()) > before:
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # of a session of its own, and what it has started
        return False

    def nodes(self) -> list[str]:
        """Ray's nodes here, by the command lines of their own processes."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = entry.read_bytes().decode(errors="replace").replace("\0", " ")
                if "/raylet/raylet" in line.split(" ")[0] and f":{self.port}" in line:
                    found.append(line)
        return found

    def end(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):  # Ray's daemons leave their parents
            with contextlib.suppress(OSError):
                if f":{self.port}" in entry.read_bytes().decode(errors="replace"):
                    os.kill(int(entry.parent.name), signal.SIGKILL)

    def _here(self, text: str) -> str:
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text


def eventually(look: Callable[[], bool], seconds: float) -> None:
    for _ in range(int(seconds / 0.2)):
        if look():
            return
        WAIT.wait(0.2)
    raise AssertionError(f"it did not come about within {seconds:g} s")


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_its_commands_search_on_a_real_postgresql_and_a_real_ray(
    services: dict[str, Any], tmp_path: Path, fresh_postgres: str
) -> None:
    (tmp_path / "data").mkdir()
    local = Local(services, tmp_path, fresh_postgres)
    try:
        local.run("migrate")
        local.start("api")
        local.start_node("ray-head")
        health = services["ray-head"]["healthcheck"]["test"][1:]
        assert local.start("ray-head", health).wait(60) == 0, local.log("ray-head")
        local.start_node("ray-worker")
        local.start_node("worker")
        address, key = tmp_path / "data" / "address", tmp_path / "data" / "admin.key"
        eventually(lambda: address.exists() and _is_ready(address.read_text().strip()), 180)
        with Client(address.read_text().strip(), key.read_text().strip()) as client:
            dataset = client.make_digits(train=16, val=4, image_size=96)
            supernet = client.train(dataset.id, steps=1, batch_size=4, subnets=1)
            search = client.search(
                supernet.id,
                objectives=["ap", "macs"],
                budget={"evaluations": 2, "parallel": 1},
                baselines=["fpn"],
                strategy="random",
            )
            ended = client.wait(search, timeout_s=300)
            front = client.pareto(search.id)
        assert ended.evaluated == 3 and front.points, local.log("worker")
    finally:
        local.end()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False
