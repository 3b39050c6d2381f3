"""The whole product in one go: data, training, search, front, download, use."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from service.client import Client
from service.client_records import ENDED, Dataset, Front, Point, Search, Supernet
from service.demo.bars import bars, follow
from service.demo.crash import Crash, count
from service.demo.fresh import compare
from service.demo.memory import watched
from service.demo.process import Service, running
from service.demo.table import describe, front_table

DEVICE = {"kind": "onnxruntime_cpu", "threads": 1}
SPACE = {
    "space": "fusion_grid",
    "stages": [1, 2],
    "paths": ["top_down", "bottom_up", "reverse", "parallel"],
    "fusions": ["sum", "fast"],
    "ops": ["dw3", "conv3"],
    "skips": ["none", "laterals"],
    "widths": [16, 32, 64],
}
RULE_OPTIONS = {"smallest": 0}
STEPS = 900
"""Those of `TrainingSpec.demo`, repeated here since this process does without torch."""
GOOD = ("SUCCEEDED", "PARTIALLY_SUCCEEDED")


@dataclass(frozen=True)
class Choices:
    """What a user may change of the demo.

    Attributes:
        data: the service's folder.
        steps: optimizer steps of the supernet's training; those of its preset when None.
        images: training images.
        evaluations: architectures that the search scores.
        bound_ms: latency that no neck of the search may exceed.
        budget_ms: latency that the chosen neck may have; FPN's measured one when None.
        kill_worker: kill the worker in the middle of the search.
        seed: of the search.
    """

    data: Path
    steps: int | None
    images: int
    evaluations: int
    budget_ms: float | None
    bound_ms: float
    kill_worker: bool
    seed: int


class DemoFailed(Exception):
    """Something that the demo shows did not hold."""


def demonstrate(choices: Choices, console: Console) -> None:
    """Run the demo from data to a neck that is used elsewhere.

    Raises:
        DemoFailed: something that it shows did not hold.
    """
    began_s = time.monotonic()
    console.print(f"Starting the service, its data in {choices.data} ...")
    with watched() as peak, running(choices.data) as (service, client):
        console.print(f"The service is ready at {service.address} after {time.monotonic() - began_s:.0f} s.")
        search = _search(choices, service, client, console)
        front = client.pareto(search.id)
        console.print(front_table(front))
        chosen, budget_ms = _choose(front, choices.budget_ms)
        console.print(f"\nBest neck within {budget_ms:.3f} ms: {describe(chosen)}", soft_wrap=True)
        _use(client, chosen, choices.data, console)
        console.print(f"\nThe search's pages: {service.address}/searches/{search.id}", soft_wrap=True)
    console.print("The service has ended. To see the pages, start it again on the same data:")
    console.print(f"  neckline serve --data {choices.data}")
    spent = f"{time.monotonic() - began_s:.0f} s, with at most {peak.bytes / 1e9:.1f} GB of memory"
    console.print(f"[green]Done in {spent}.[/green]")


def _search(choices: Choices, service: Service, client: Client, console: Console) -> Search:
    with bars(console) as progress:
        dataset = _dataset(client, choices)
        dataset = follow(client, dataset, progress, "digits")
        supernet = _supernet(client, dataset, choices)
        wanted = _wanted(choices)
        expected_s = client.validate(supernet.id, **wanted)["estimate"]["total_s"]
        begun_s = time.monotonic()
        search = client.search(supernet.id, label="demo", **wanted)
        follow(
            client,
            supernet,
            progress,
            "training",
            note=lambda p: f"loss {p['loss']:.3f}" if p.get("loss") else "",
        )
        predictor = client.predictor(search)
        if predictor is not None:
            follow(client, predictor, progress, "calibrating")
        crash = Crash(service, choices.evaluations // 3) if choices.kill_worker else None
        search = follow(client, search, progress, "searching", at=crash.look if crash else lambda _: None)
    _report_time(expected_s, time.monotonic() - begun_s, console)
    if crash is not None:
        _report_crash(client, search, crash, console)
    return search


def _wanted(choices: Choices) -> dict[str, Any]:
    return {
        "devices": [DEVICE],
        "objectives": ["ap", "latency_ms"],
        "constraints": [{"metric": "latency_ms", "upper": choices.bound_ms}],
        "baselines": ["fpn", "pafpn", "bifpn"],
        "budget": {"evaluations": choices.evaluations},
        "seed": choices.seed,
    }


def _report_time(expected_s: float | None, spent_s: float, console: Console) -> None:
    """Print how long it took beside what was expected."""
    if expected_s is None:
        known = "the next run has these times to be estimated from"
    else:
        factor = max(expected_s, 1e-9) / spent_s
        known = f"estimated before: {expected_s:.0f} s, a factor of {max(factor, 1 / factor):.2f}"
    console.print(f"From submitting the search to its end: {spent_s:.0f} s ({known}).")


def _dataset(client: Client, choices: Choices) -> Dataset:
    """Return the demo's dataset: the one of an earlier run, since an equal request is carried out once."""
    key = f"demo-digits-{choices.images}"
    make = partial(client.make_digits, name="demo digits", seed=0, train=choices.images, val=200)
    dataset = make(key=key)
    if client.dataset(dataset.id).state in set(ENDED) - set(GOOD):
        return make(key=f"{key}-{dataset.id}")
    return dataset


def _supernet(client: Client, dataset: Dataset, choices: Choices) -> Supernet:
    """Return the demo's supernet: the one of an earlier run, trained or on its way, or a new one."""
    spec = {"name": "demo", "steps": choices.steps or STEPS, "space": SPACE, "rule_options": RULE_OPTIONS}
    key = f"demo-supernet-{dataset.id}-{spec['steps']}"
    supernet = client.train(dataset.id, key=key, **spec)
    if client.supernet(supernet.id).state in set(ENDED) - set(GOOD):
        return client.train(dataset.id, key=f"{key}-{supernet.id}", **spec)
    return supernet


def _choose(front: Front, budget_ms: float | None) -> tuple[Point, float]:
    if budget_ms is None:
        fpn = next((point for point in front.baselines if point.origin == "baseline:fpn"), None)
        known = None if fpn is None else fpn.value("latency_ms", "measured") or fpn.value("latency_ms")
        budget_ms = known if known is not None else max(p.value("latency_ms") or 0.0 for p in front.points)
    chosen = front.best("ap", latency_ms=budget_ms)
    if chosen is None:
        raise DemoFailed(f"no neck of the front keeps {budget_ms:g} ms: ask for more with --budget-ms")
    return chosen, budget_ms


def _use(client: Client, chosen: Point, data: Path, console: Console) -> None:
    bundle = client.download(chosen.id, data / "best-neck.zip")
    console.print(f"Downloaded {bundle} ({bundle.stat().st_size / 1e3:.0f} kB, sha256 checked).")
    with tempfile.TemporaryDirectory() as folder:
        seen = compare(bundle, Path(folder))
    if seen.ours:
        raise DemoFailed(f"the fresh process imported {', '.join(seen.ours)}")
    if not seen.equal and seen.gap > 1e-5:
        raise DemoFailed(f"the fresh process's output differs by {seen.gap:g}")
    same = "equal to the bit" if seen.equal else f"equal within {seen.gap:.1e}"
    console.print(
        f"Loaded in a fresh process that imports torch alone: output levels {list(seen.levels)}, {same}."
    )


def _report_crash(client: Client, search: Search, crash: Crash, console: Console) -> None:
    if crash.killed is None:
        raise DemoFailed("the search ended before its worker could be killed")
    found = count(client, search)
    console.print(
        f"Worker {crash.killed} was killed at {crash.at} evaluations and a new one went on: "
        f"asked {found.asked}, stored {found.stored} with baselines, lost {found.lost}, "
        f"twice {found.twice}, attempts {found.attempts}."
    )
    if not found.sound or found.attempts < 2:
        raise DemoFailed("the killed search lost or repeated an evaluation")
