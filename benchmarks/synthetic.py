"""A service with a cheap stand-in for the supernet: the same queue, loop, executors and store, other scores.

    python -m benchmarks.synthetic worker   # a worker that runs searches with synthetic scores

Used where the service itself is under test: by `benchmarks.chaos`, `benchmarks.service` and the tests.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.score import Score
from search_space.architecture import Architecture
from service.database import read_clock
from service.identifiers import new_id
from service.jobs import search as searching
from service.records import Dataset, Revisions, Search, Supernet
from service.scoring import Bench, Scorer
from service.settings import Settings
from service.states import State
from service.store import Store
from service.stores import datasets, jobs, searches, supernets
from service.wiring import configure_logging, open_store
from service.work import Outcome, Work
from service.worker import Worker

SPACE: dict[str, Any] = {"space": "fusion_grid", "channels": {"3": 64, "4": 96, "5": 128}}
IMAGE_SIZE = (128, 128)
REVISIONS = Revisions("synthetic", "synthetic", "synthetic")


@dataclass(frozen=True)
class Accuracy:
    """An accuracy that follows from the architecture's key alone, after a delay in seconds."""

    delay_s: float = 0.0

    def __call__(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return `ap` in 0..1: more where there are more weights, with noise fixed by the key."""
        time.sleep(self.delay_s)
        noise = int(architecture.key[:8], 16) / 0xFFFFFFFF
        size = architecture.parameters()
        return (Score("ap", 0.5 * size / (size + 2e5) + 0.3 * noise, "1", "inherited", 0.01),)


@dataclass(frozen=True)
class AccuracyFactory:
    """Makes the accuracy where it is computed."""

    delay_s: float = 0.0

    def __call__(self) -> Scorer:
        """Return the scorer."""
        return Accuracy(self.delay_s)


def costs(architecture: Architecture) -> tuple[Score, ...]:
    """Return parameters and MACs."""
    parameters = Score("parameters", float(architecture.parameters()), "parameters", "counted")
    return parameters, Score("macs", float(architecture.macs(IMAGE_SIZE)), "MACs", "counted")


def run(work: Work) -> Outcome:
    """Run a search with synthetic scores."""
    with work.store.database.read() as tx:
        search = searches.get(tx, work.job.id)
    assert search is not None, work.job.id
    factory = AccuracyFactory(float(work.job.request.get("delay_s", 0.0)))
    return searching.drive(work, Bench(search, SPACE, IMAGE_SIZE, factory, costs, REVISIONS))


def submit(
    store: Store,
    *,
    owner: str = "ada",
    evaluations: int = 12,
    seed: int = 0,
    delay_s: float = 0.0,
    changes: Mapping[str, Any] | None = None,
) -> str:
    """Store a search in a supernet that counts as trained, its specification changed, and return its id."""
    dataset, supernet, search = new_id(), new_id(), new_id()
    spec = {
        "objectives": ["ap", "macs"],
        "constraints": [],
        "strategy": "nsga2",
        "options": {"population": 4},
        "baselines": ["fpn"],
        "seed": seed,
        "budget": {"evaluations": evaluations, "wall_s": None, "parallel": 2},
        **(changes or {}),
    }
    with store.database.write() as tx:
        now = read_clock(tx)
        for identifier, kind in ((dataset, "dataset"), (supernet, "train")):
            jobs.enqueue(tx, jobs.NewJob(identifier, kind, owner, {}))
            jobs.settle(tx, identifier, State.SUCCEEDED)
        jobs.enqueue(
            tx, jobs.NewJob(search, "search", owner, {**spec, "delay_s": delay_s}, needs=(supernet,))
        )
        datasets.add(tx, Dataset(dataset, owner, "synthetic", "folder", {}, "", "synthetic", None, now))
        supernets.add(tx, Supernet(supernet, owner, "synthetic", dataset, {"space": SPACE}, "synthetic", now))
        searches.add(tx, Search(search, owner, f"seed {seed}", supernet, None, None, spec, 0, 0, now))
    return search


def find_runner(_kind: str) -> Callable[[Work], Outcome]:
    """Return the synthetic search, whatever the kind."""
    return run


def worker(store: Store, name: str | None = None) -> Worker:
    """Return a worker that runs synthetic searches."""
    return Worker(store, name=name, lanes={"long": ("search",)}, find_runner=find_runner)


def main() -> None:
    """Run a worker with the environment's settings until asked to end."""
    settings = Settings()
    configure_logging(settings.log_level)
    store = open_store(settings)
    working = worker(store)
    signal.signal(signal.SIGTERM, lambda *_: working.stop())
    try:
        working.run()
    finally:
        store.close()


if __name__ == "__main__":
    if sys.argv[1:] != ["worker"]:
        raise SystemExit(__doc__)
    main()
