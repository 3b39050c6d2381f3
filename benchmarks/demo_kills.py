"""SIGKILLs while the demo's own kind of search runs: a trained supernet, real scores, Ray, `neckline serve`.

Used by `benchmarks.chaos`. The same search is run calmly first, then again and again while its worker, a Ray
actor or the raylet is killed; each must end with the same front.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fleet import kill
from service.client import Client
from service.client_records import ENDED, Search
from service.demo.crash import count
from service.demo.process import Service, running
from service.processes import descendants

VICTIMS = {"worker": "worker --name", "actor": "ray::_Actor", "raylet": "raylet/raylet"}
SEARCH: dict[str, Any] = {
    "objectives": ["ap", "macs"],
    "baselines": ["fpn", "pafpn", "bifpn"],
    "strategy": "nsga2",
    "options": {"population": 8},
    "budget": {"evaluations": 40, "parallel": 2},
    "seed": 0,
}
END_S = 600.0


@dataclass
class Suffered:
    """What the kills did; `resume_s` are seconds from the death of a worker or raylet to the next result."""

    killed: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    unfinished: int = 0
    lost: int = 0
    duplicated: int = 0
    different: int = 0
    resume_s: list[float] = field(default_factory=list)


def suffer(kills: int, seed: int = 0) -> Suffered:
    """Train a small supernet, search it calmly, then search it under that many kills."""
    found, rng = Suffered(), random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="neckline-kills-") as folder,
        running(Path(folder)) as (service, client),
    ):
        dataset = client.make_digits(train=96, val=32, image_size=96)
        supernet = client.train(dataset.id, steps=40, batch_size=8, subnets=2)
        calm = client.wait(client.search(supernet.id, label="calm", **SEARCH), timeout_s=END_S)
        wanted = _keys(client, calm)
        while sum(found.killed.values()) < kills:
            search = client.search(supernet.id, label=f"killed {found.searches}", **SEARCH)
            left = kills - sum(found.killed.values())
            _torment(service, client, search, left, rng, found)
            _judge(client, search, wanted, found)
    return found


def _torment(
    service: Service, client: Client, search: Search, kills: int, rng: random.Random, found: Suffered
) -> None:
    """Kill again whenever a few more evaluations are stored, until the search ends."""
    begun, target = sum(found.killed.values()), rng.randint(1, 8)
    hit: tuple[float, int] | None = None
    deadline_s = time.monotonic() + END_S
    while time.monotonic() < deadline_s:
        search = client.get_search(search.id)
        if hit is not None and search.evaluated > hit[1] and int(search.raw["attempt"]) > 0:
            found.resume_s.append(time.monotonic() - hit[0])
            hit = None
        if search.state in ENDED:
            return
        if hit is None and search.evaluated >= target and sum(found.killed.values()) - begun < kills:
            victim = _kill_one(service, rng)
            if victim is not None:
                found.killed[victim] += 1
                target = search.evaluated + rng.randint(3, 12)
                hit = None if victim == "actor" else (time.monotonic(), _after(client, search))
        time.sleep(0.1)


def _after(client: Client, search: Search) -> int:
    """Return how many evaluations are stored once those in flight to the database have arrived."""
    time.sleep(0.5)
    return client.get_search(search.id).evaluated


def _kill_one(service: Service, rng: random.Random) -> str | None:
    victim = rng.choice(sorted(VICTIMS))
    below = [pid for pid in descendants(service.pid) if VICTIMS[victim] in _title(pid)]
    return victim if below and kill(rng.choice(below)) else None


def _judge(client: Client, search: Search, wanted: list[str], found: Suffered) -> None:
    search = client.get_search(search.id)
    found.searches += 1
    if search.state != "SUCCEEDED":
        found.unfinished += 1
        return
    seen = count(client, search)
    found.lost += seen.lost
    found.duplicated += seen.twice
    found.different += _keys(client, search) != wanted


def _keys(client: Client, search: Search) -> list[str]:
    """Return the keys of the front's architectures, in its order."""
    keys = {subnet.id: subnet.key for subnet in client.subnets(search.id)}
    return [keys[point.id] for point in client.pareto(search.id).points]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
