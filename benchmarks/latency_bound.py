"""Searches with a latency bound, end to end but for accuracy: does what is shown as feasible hold the bound?

A device is calibrated, the service's own search job runs with predicted latency and a stand-in for the
accuracy, measures its front, and shows it. Every member that is shown as feasible is then measured once more,
in a session of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import synthetic
from benchmarks.form import Figure
from benchmarks.latency_necks import IMAGE, SPACES
from evaluators import devices as plugins
from evaluators.latency.calibrate import Calibration, calibrate
from evaluators.latency.calibrate import finished as calibrated
from evaluators.latency.measuring import finished, measure
from evaluators.latency.session import Protocol
from search_space.architecture import Architecture
from service import schema, wiring
from service.fronts import Fronts
from service.jobs import search as searching
from service.pareto import live_front
from service.records import Device
from service.scoring import Bench, Costs
from service.settings import Settings
from service.store import Store
from service.stores import evaluations, searches
from service.work import Outcome, Work
from service.worker import Worker

DEVICE = "onnxruntime_cpu"
SPACE = SPACES[0]
SEED = 104
QUANTILES = (0.3, 0.6)
"""Of predicted latencies of random necks: the bounds."""


@dataclass(frozen=True)
class Member:
    """A neck on a front: predicted, and measured by the search itself."""

    architecture: Architecture
    predicted_ms: float
    measured_ms: float
    bound_ms: float
    feasible: bool


def bounded(*, quick: bool) -> list[Figure]:
    """Return the shares of front members within their bound plus the noise floor."""
    done = calibrated(calibrate(DEVICE, SPACE, 24 if quick else 50, SEED, image_size=IMAGE))
    rng = np.random.default_rng(SEED)
    times = done.predictor.times([SPACE.architecture(SPACE.sample(rng)) for _ in range(100)])
    bounds = np.quantile(times, QUANTILES[:1] if quick else QUANTILES)
    found = {
        certain: [m for bound in bounds for m in _front(done, float(bound), certain=certain, quick=quick)]
        for certain in (False, True)
    }
    return _figures(done, found)


def _front(done: Calibration, bound_ms: float, *, certain: bool, quick: bool) -> list[Member]:
    """Run a search and return what its front shows, members that left it by measurement included."""
    bound = {"metric": "latency_ms", "upper": bound_ms, "certain": certain}
    changes = {"objectives": ["ap", "latency_ms"], "constraints": [bound], "baselines": []}
    with tempfile.TemporaryDirectory() as folder:
        store = wiring.open_store(Settings(data=Path(folder), executor="local"))
        schema.upgrade(store.database)
        try:
            identifier = synthetic.submit(store, evaluations=24 if quick else 96, seed=SEED, changes=changes)
            worker = Worker(store, lanes={"long": ("search",)}, find_runner=lambda _: _runner(done))
            assert worker.run_one(("search",)), "the search was not run"
            return _shown(store, identifier, bound_ms)
        finally:
            store.close()


def _runner(done: Calibration):  # type: ignore[no-untyped-def]
    device = Device("device", "ada", DEVICE, DEVICE, {"threads": 1, "batch": 1}, 0.0)

    def run(work: Work) -> Outcome:
        with work.store.database.read() as tx:
            search = searches.get(tx, work.job.id)
        assert search is not None, work.job.id
        costs = Costs(IMAGE, done.predictor)
        factory = synthetic.AccuracyFactory()
        return searching.drive(
            work, Bench(search, SPACE.spec(), IMAGE, factory, costs, synthetic.REVISIONS, device)
        )

    return run


def _shown(store: Store, identifier: str, bound_ms: float) -> list[Member]:
    with store.database.read() as tx:
        search = searches.get(tx, identifier)
        assert search is not None, identifier
    front = live_front(store, Fronts(store), search, None, None)
    members = []
    for point in (*front.points, *front.neighbours):
        values = {(score.metric, score.source): score.value for score in point.scores}
        if ("latency_ms", "measured") not in values:
            continue
        with store.database.read() as tx:
            stored = evaluations.get(tx, point.id)
            assert stored is not None, point.id
            document = evaluations.architecture(tx, stored.key)
        assert document is not None, stored.key
        predicted, measured = (values["latency_ms", source] for source in ("predicted", "measured"))
        members.append(
            Member(Architecture.from_json(document), predicted, measured, bound_ms, point.feasible)
        )
    return members


def _figures(done: Calibration, found: dict[bool, list[Member]]) -> list[Figure]:
    every = [member for members in found.values() for member in members]
    session = finished(
        measure(
            plugins.load(DEVICE),
            [member.architecture for member in every],
            image_size=IMAGE,
            protocol=Protocol(visits=12, most_visits=14, seconds=120),
        )
    )
    known_ms = done.predictor.reference_ms or session.reference_ms
    aligned = session.at_reference(min(known_ms, session.reference_ms))
    again = dict(zip(map(id, every), (entry.latency_ms for entry in aligned.measured), strict=True))
    allowed = 1 + max(done.noise_floor, session.noise_floor)
    shown = [member for member in every if member.feasible]
    held = [again[id(member)] <= member.bound_ms * allowed for member in shown]
    detail = f"{sum(held)} of {len(held)} shown as feasible, measured again; noise floor {allowed - 1:.1%}"
    figures = [Figure("front_within_bound", _share(held), "1", detail=detail)]
    for certain, members in found.items():
        kept = [member.measured_ms <= member.bound_ms * allowed for member in members]
        name = "front_certain_before_measuring" if certain else "front_predicted_before_measuring"
        detail = f"{sum(kept)} of {len(kept)} predicted within the bound measured so"
        figures.append(Figure(name, _share(kept), "1", detail=detail))
    gaps = [abs(member.predicted_ms / member.measured_ms - 1) for member in every]
    figures.append(Figure("front_median_error", float(np.median(gaps)), "1", detail="predicted, measured"))
    return figures


def _share(kept: Sequence[bool]) -> float:
    return float(np.mean(kept)) if kept else 0.0
