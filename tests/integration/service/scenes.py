"""Things in a store that tests look at: a trained supernet, a search with evaluations, an artifact."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from search_space.architecture import Architecture
from search_space.reference import build
from service.database import read_clock
from service.identifiers import new_id
from service.records import Artifact, Dataset, Lease, Revisions, Search, Supernet
from service.states import State
from service.store import Store
from service.stores import artifacts, datasets, evaluations, jobs, searches, supernets
from service.stores.evaluations import NewEvaluation

CHANNELS = {3: 64, 4: 96, 5: 128}
SPACE = {"space": "fusion_grid", "channels": {"3": 64, "4": 96, "5": 128}}
REVISIONS = Revisions("device", "dataset", "evaluator")
SPEC = {
    "objectives": ["ap", "latency_ms"],
    "constraints": [],
    "strategy": "random",
    "options": {},
    "baselines": [],
    "seed": 0,
    "budget": {"evaluations": 8, "wall_s": None, "parallel": 1},
}
UNITS = {"ap": "1", "latency_ms": "ms", "macs": "MACs"}


@dataclass(frozen=True)
class Scene:
    """Ids of what was made."""

    dataset: str
    supernet: str
    search: str


def make_search(store: Store, owner: str = "ada", spec: Mapping[str, object] | None = None) -> Scene:
    """Store a dataset, a supernet and a queued search."""
    scene = Scene(new_id(), new_id(), new_id())
    with store.database.write() as tx:
        now = read_clock(tx)
        for identifier, kind in (
            (scene.dataset, "dataset"),
            (scene.supernet, "train"),
            (scene.search, "search"),
        ):
            jobs.enqueue(tx, jobs.NewJob(identifier, kind, owner, {}))
        datasets.add(tx, Dataset(scene.dataset, owner, "digits", "digits", {}, "/nowhere", "r", None, now))
        supernets.add(tx, Supernet(scene.supernet, owner, "s", scene.dataset, {"space": SPACE}, "r", now))
        full = {**SPEC, **(spec or {})}
        searches.add(tx, Search(scene.search, owner, "label", scene.supernet, None, None, full, 0, 0, now))
    return scene


def hold(store: Store, kind: str = "search") -> Lease:
    """Claim a job as a worker would, and start it."""
    with store.database.write() as tx:
        job = jobs.claim(tx, worker="w", kinds=(kind,), lease_s=60)
        assert job is not None, kind
        return jobs.start(tx, job.lease).lease


def end(store: Store, kind: str, state: State = State.SUCCEEDED) -> None:
    """Claim a job and end it."""
    lease = hold(store, kind)
    with store.database.write() as tx:
        jobs.end(tx, lease, state)


def architecture(width: int = 32) -> Architecture:
    """Return a neck; another width is another one."""
    return build("fpn", CHANNELS, width=width)


def new_evaluation(key: str, metrics: Mapping[str, float], **options: object) -> NewEvaluation:
    """Return an evaluation of a key with measured metrics."""
    scores = [
        {"metric": name, "value": value, "unit": UNITS[name], "source": "measured", "stderr": 0.01}
        for name, value in metrics.items()
    ]
    values: dict[str, object] = {
        "key": key,
        "architecture": architecture().to_json(),
        "genotype": (1, 2),
        "origin": "search",
        "state": "ok",
        "scores": scores,
        "error": None,
        "seconds": 0.5,
    }
    return NewEvaluation(**{**values, **options})  # type: ignore[arg-type]


def add(store: Store, scene: Scene, points: Iterable[tuple[float, float]], **options: object) -> list[str]:
    """Store evaluations with (ap, latency in ms) and return their ids."""
    found = []
    with store.database.write() as tx:
        search = searches.get(tx, scene.search)
        assert search is not None
        for index, (ap, latency_ms) in enumerate(points, search.evaluated + search.failed):
            new = new_evaluation(f"key{index:04d}", {"ap": ap, "latency_ms": latency_ms}, **options)
            identifier = evaluations.add(tx, scene.search, new, REVISIONS, 1)
            assert identifier is not None, index
            found.append(identifier)
    return found


def make_artifact(store: Store, subnet: str, content: bytes, folder: Path, owner: str = "ada") -> str:
    """Store a finished artifact with some content."""
    source = folder / "content"
    source.write_bytes(content)
    digest, size = store.files.put(source)
    identifier = new_id()
    with store.database.write() as tx:
        jobs.enqueue(tx, jobs.NewJob(identifier, "artifact", owner, {}))
        empty = (None, None, None, None)
        made = Artifact(identifier, owner, subnet, "bundle", "k", {}, *empty, read_clock(tx))
        assert artifacts.add(tx, made)
        named = {"media_type": "application/zip", "filename": "neck.zip"}
        artifacts.finish(tx, identifier, sha256=digest, size=size, **named)
    end(store, "artifact")
    return identifier


def dumps(value: object) -> str:
    return json.dumps(value)
