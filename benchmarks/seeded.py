"""A service with searches in it, written through its own stores: what page tests and page timings look at.

The architectures are drawn from a real space and their costs are counted; accuracies and latencies follow a
simple law with noise, since no training is behind them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert, update

from evaluators import devices as plugins
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.predictor import Predictor
from search_space.architecture import Architecture
from search_space.space import Genotype, Space
from service import schema, thumbnails, wiring
from service.database import read_clock
from service.datasets import SPLITS
from service.identifiers import new_id
from service.records import Dataset, Device, Lease, Revisions, Search, Supernet
from service.records import Predictor as Predicting
from service.settings import Settings
from service.states import State
from service.store import Store
from service.stores import datasets, devices, evaluations, events, jobs, keys, searches, supernets
from service.stores.evaluations import NewEvaluation
from service.tables import architectures as architecture_table
from service.tables import evaluations as evaluation_table
from service.tables import searches as search_table
from supernet.data.coco import CocoDetection
from supernet.data.digits import make_digits

OWNER = "admin"
IMAGE = (128, 128)
SPACE = {"space": "fusion_grid", "channels": {"3": 40, "4": 112, "5": 320}, "widths": [24, 32, 48, 64, 96]}
REVISIONS = Revisions("d" * 16, "s" * 16, "e" * 16)
TRAINING = {
    "backbone": {"name": "mobilenetv3_small_050", "pretrained_file": None, "frozen": False},
    "levels": [3, 4, 5],
    "rule": "sandwich",
    "steps": 1200,
    "batch_size": 16,
    "subnets": 4,
    "space": SPACE,
}
STATISTICS = {
    "images": 1024,
    "annotations": 3277,
    "empty_images": 12,
    "categories": {str(digit): 310 + 7 * digit for digit in range(10)},
    "object_sizes": [12.0, 16.0, 24.0, 35.0, 48.0, 63.0, 72.0],
    "widths": [128, 128],
    "heights": [128, 128],
}


@dataclass(frozen=True)
class Seeded:
    """A store with a key, a dataset, a supernet and a device; searches are added to it."""

    store: Store
    key: str
    dataset_id: str
    supernet_id: str
    device_id: str


def open_seeded(folder: Path, **settings: Any) -> Seeded:
    """Return a new service's store in an empty folder."""
    defaults: dict[str, Any] = {"executor": "local", "low_water_bytes": 0, "log_level": "error"}
    store = wiring.open_store(Settings(data=folder, **{**defaults, **settings}))
    schema.upgrade(store.database)
    pictures = _pictures(store, folder / "pictures")
    with store.database.write() as tx:
        key = keys.issue(tx, owner=OWNER, name="test", scopes=("admin", "write", "read")).secret
        dataset_id, supernet_id, device_id = new_id(), new_id(), new_id()
        now = read_clock(tx)
        _ended(tx, dataset_id, "dataset", {"source": "digits"}, {"files": pictures})
        spec = {"seed": 0, "train": 1024, "val": 200, "image_size": 128}
        datasets.add(
            tx, Dataset(dataset_id, OWNER, "digits", "digits", spec, str(folder / "digits"), None, None, now)
        )
        both = {
            "train": STATISTICS,
            "val": {**STATISTICS, "images": 200, "annotations": 641, "empty_images": 3},
        }
        datasets.finish(tx, dataset_id, revision="a" * 64, statistics=both)
        _ended(tx, supernet_id, "train", TRAINING, {"step_s": 0.27}, losses=True)
        name = "mobilenetv3_small_050 on digits"
        supernets.add(tx, Supernet(supernet_id, OWNER, name, dataset_id, TRAINING, None, now))
        supernets.finish(tx, supernet_id, revision="b" * 64)
        kind = "onnxruntime_cpu"
        devices.add(tx, Device(device_id, OWNER, "this machine", kind, {"threads": 1, "batch": 1}, now))
        _calibrate(tx, device_id, supernet_id)
    return Seeded(store, key, dataset_id, supernet_id, device_id)


def _pictures(store: Store, folder: Path) -> dict[str, str]:
    """Store thumbnails of a few generated images and return their sha256 by split and number."""
    make_digits(folder, seed=0, train=6, val=6, image_size=128)
    found = {split: thumbnails.keep(store, CocoDetection.open(folder, split).images) for split in SPLITS}
    return {f"{split}/{index}": digest for split, kept in found.items() for index, digest in enumerate(kept)}


def _ended(
    tx: Connection,
    job_id: str,
    kind: str,
    request: dict[str, Any],
    result: dict[str, Any],
    *,
    losses: bool = False,
) -> None:
    lease = _taken(tx, job_id, kind, request)
    if losses:
        for step in range(10, 1201, 30):
            loss = 0.9 + 2.4 * math.exp(-step / 300)
            progress = {
                "step": step,
                "total": 1200,
                "loss": loss,
                "losses": {"largest": loss * 0.93, "smallest": loss * 1.12},
            }
            events.append(
                tx, job_id, "progress", progress | {"images_per_s": 58.1, "eta_s": (1200 - step) * 0.27}
            )
    jobs.progress(tx, lease, {"step": 1, "total": 1})
    jobs.end(tx, lease, State.SUCCEEDED, result=result)


def _calibrate(tx: Connection, device_id: str, supernet_id: str) -> None:
    """Store a predictor fitted to times that follow the law above with 4 % of noise."""
    rng, identifier = np.random.default_rng(3), new_id()
    measured = necks(48)
    times = [_latency(a.macs(IMAGE), len(a.live)) * float(rng.lognormal(0, 0.04)) for a in measured]
    fingerprint = Fingerprint(
        "onnxruntime_cpu", "x86-64, 4 cores", "onnxruntime", "1.27", 1, "float32", 1, IMAGE
    )
    lowering = plugins.load("onnxruntime_cpu", threads=1).lowering
    fitted = Predictor.fit(measured, times, fingerprint=fingerprint, lowering=lowering)
    request = {"device": device_id, "supernet": supernet_id, "necks": len(measured)}
    _ended(tx, identifier, "calibrate", request, {"seconds": 92.0})
    devices.add_predictor(
        tx, Predicting(identifier, device_id, "k" * 64, request, None, None, None, read_clock(tx))
    )
    summary = {"necks": len(measured), "noise_floor": 0.021}
    devices.finish_predictor(tx, identifier, revision="c" * 64, document=fitted.to_json(), summary=summary)


def _latency(macs: float, nodes: int) -> float:
    """Return milliseconds."""
    return 0.35 + macs / 2.2e7 + 0.11 * nodes


def _taken(tx: Connection, job_id: str, kind: str, request: dict[str, Any]) -> Lease:
    """Queue a job and take it as a worker would; other queued jobs of the kind would come first."""
    jobs.enqueue(tx, jobs.NewJob(job_id, kind, OWNER, request, priority=100))
    job = jobs.claim(tx, worker="seed", kinds=(kind,), lease_s=1e9)
    assert job is not None and job.id == job_id, job
    jobs.start(tx, job.lease)
    return job.lease


def add_search(
    seeded: Seeded,
    *,
    label: str = "digits on this machine",
    state: State = State.SUCCEEDED,
    number: int = 120,
    latency_ms: float | None = 6.0,
    budget: int | None = None,
    on: Sequence[str] = (),
) -> str:
    """Store a search with evaluations and return its id; an unfinished one stays running, and one `on` named
    devices has a latency on each.
    """
    search_id = new_id()
    constraints = [] if latency_ms is None else [{"metric": "latency_ms", "upper": latency_ms, "lower": None}]
    spec = {
        "objectives": ["ap", f"latency_ms@{on[0]}" if on else "latency_ms"],
        "constraints": constraints,
        "strategy": "nsga2",
        "options": {},
        "baselines": ["fpn", "pafpn", "bifpn"],
        "seed": 0,
        "budget": {"evaluations": budget or max(number, 1), "wall_s": None, "parallel": 2},
    }
    with seeded.store.database.write() as tx:
        if state is State.QUEUED:
            jobs.enqueue(tx, jobs.NewJob(search_id, "search", OWNER, spec))
        else:
            lease = _taken(tx, search_id, "search", spec)
        ids = (seeded.supernet_id, seeded.device_id, None)
        searches.add(tx, Search(search_id, OWNER, label, *ids, spec, 0, 0, read_clock(tx)))
        add_evaluations(tx, search_id, number, baselines=number > 0, on=on)
        if state is not State.QUEUED:
            done = {"step": number, "total": spec["budget"]["evaluations"], "eta_s": 84.0}  # type: ignore[index]
            jobs.progress(tx, lease, done)
            if state is not State.RUNNING:
                failure = {
                    "title": "The search failed",
                    "detail": "evaluation 7 could not be scored: the worker ran out of memory",
                }
                jobs.end(
                    tx,
                    lease,
                    state,
                    result={"evaluation_s": 0.8, "overhead_s": 6.0},
                    error=failure if state is State.FAILED else None,
                )
    return search_id


def add_evaluations(
    tx: Connection,
    search_id: str,
    number: int,
    *,
    seed: int = 0,
    baselines: bool = False,
    on: Sequence[str] = (),
) -> None:
    """Store evaluations of distinct necks of the space, with their events."""
    space, rng = Space.load(SPACE), np.random.default_rng(seed)
    named: dict[str, Genotype] = space.baselines() if baselines else {}
    wanted = [
        (f"baseline:{name}", genotype)
        for name, genotype in named.items()
        if name in ("fpn", "pafpn", "bifpn")
    ]
    wanted += [("search", space.sample(rng)) for _ in range(number)]
    for origin, genotype in wanted:
        architecture = space.architecture(genotype)
        scores = scores_of(architecture, rng)
        latency = next(score for score in scores if score["metric"] == "latency_ms")
        scores += [
            latency | {"metric": f"latency_ms@{device}", "value": latency["value"] * factor}
            for factor, device in enumerate(on, 2)
        ]
        new = NewEvaluation(
            architecture.key, architecture.to_json(), genotype, origin, "ok", scores, None, 0.8
        )
        identifier = evaluations.add(tx, search_id, new, REVISIONS, 1)
        if identifier is not None:
            values = {score["metric"]: score["value"] for score in scores}
            payload = {"id": identifier, "origin": origin, "state": "ok", "values": values, "error": None}
            events.append(tx, search_id, "evaluation", payload | {"progress": {"step": 1, "total": number}})
            if origin != "search":
                timed_ms = values["latency_ms"] * float(rng.normal(1.02, 0.03))
                measured = _score("latency_ms", timed_ms, "ms", "measured", timed_ms * 0.01)
                evaluations.add_score(tx, identifier, measured)


def scores_of(architecture: Architecture, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return counted costs, and an accuracy and a latency that follow from them with noise."""
    macs, parameters = architecture.macs(IMAGE), architecture.parameters()
    return _scores(macs, parameters, len(architecture.live), rng)


def _scores(macs: float, parameters: float, nodes: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    latency = _latency(macs, nodes) * float(rng.lognormal(0, 0.06))
    ap = 0.71 - 0.34 * math.exp(-macs / 1.6e7) - 0.12 * math.exp(-nodes / 6) + float(rng.normal(0, 0.018))
    known = [("ap", ap, "1", "inherited", 0.012), ("ap50", min(0.97, ap + 0.22), "1", "inherited", 0.01)]
    known += [("latency_ms", latency, "ms", "predicted", latency * 0.03)]
    scores: list[dict[str, Any]] = [_score(*entry) for entry in known]
    exact = [("macs", macs, "MACs"), ("parameters", parameters, "parameters")]
    return scores + [_score(metric, value, unit, "counted", None) for metric, value, unit in exact]


def _score(metric: str, value: float, unit: str, source: str, stderr: float | None) -> dict[str, Any]:
    return {"metric": metric, "value": value, "unit": unit, "source": source, "stderr": stderr}


def add_many(seeded: Seeded, number: int, *, seed: int = 0) -> str:
    """Store a search of very many evaluations that share one architecture's document; return its id."""
    search_id = add_search(
        seeded, label=f"{number:,} evaluations", state=State.RUNNING, number=40, budget=number
    )
    rng = np.random.default_rng(seed)
    document = Space.load(SPACE).architecture(Space.load(SPACE).smallest()).to_json()
    with seeded.store.database.write() as tx:
        now, first = read_clock(tx), 44
        rows = [_row(search_id, index + first, now, rng) for index in range(number)]
        for start in range(0, number, 5000):
            part = rows[start : start + 5000]
            tx.execute(
                insert(architecture_table), [{"key": row["key"], "document": document} for row in part]
            )
            tx.execute(insert(evaluation_table), part)
        tx.execute(update(search_table).where(search_table.c.id == search_id).values(evaluated=number + 43))
    return search_id


def _row(search_id: str, number: int, now: float, rng: np.random.Generator) -> dict[str, Any]:
    scores = _scores(
        float(rng.lognormal(17, 0.7)), float(rng.lognormal(12, 0.5)), int(rng.integers(3, 30)), rng
    )
    return {
        "id": new_id(),
        "search_id": search_id,
        "number": number,
        "key": f"{number:032x}",
        "device_revision": REVISIONS.device,
        "dataset_revision": REVISIONS.dataset,
        "evaluator_revision": REVISIONS.evaluator,
        "genotype": [0, 1, 2],
        "origin": "search",
        "state": "ok",
        "scores": json.dumps(scores),
        "metrics": json.dumps({score["metric"]: score["value"] for score in scores}),
        "error": None,
        "seconds": 0.8,
        "generation": 0,
        "position": 0,
        "attempt": 1,
        "created_at": now,
    }


def necks(number: int, seed: int = 1) -> Sequence[Architecture]:
    """Return architectures of the space that the searches here are made in."""
    space, rng = Space.load(SPACE), np.random.default_rng(seed)
    return [space.architecture(space.sample(rng)) for _ in range(number)]
