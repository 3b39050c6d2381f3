"""Trains a supernet: goes on from its checkpoint, and ends with the weights in the artifact store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

import torch

from search.errors import InvalidBudget, WorkerFailed
from service import trained
from service.settings import Settings
from service.stores import datasets, jobs, supernets
from service.work import JobFailed, Outcome, TryAgain, Work
from supernet.errors import SupernetError
from supernet.training.run import TrainingEvent, train
from supernet.training.spec import TrainingSpec, spec_from_record

REPORT_S = 1.0


def run(work: Work) -> Outcome:
    """Train to the end, unless asked to stop."""
    torch.set_num_threads(work.store.settings.train_threads)
    folder = trained.folder_of(work.store, work.job.id)
    folder.mkdir(parents=True, exist_ok=True)
    began_s, made = time.monotonic(), 0
    last: TrainingEvent | None = None
    try:
        for event in _events(work, _spec(work), str(folder)):
            made += 0 if last is None else event.step - last.step
            last = event
    except SupernetError as error:
        raise JobFailed("The training failed", str(error)) from error
    assert last is not None, "a training ends with an event"
    seconds = time.monotonic() - began_s
    files = trained.keep(work.store, folder)
    with work.write() as tx:
        supernets.finish(tx, work.job.id, revision=files["supernet.safetensors"])
        jobs.progress(tx, work.hold.lease, asdict(last))
    step_s = {"step_s": seconds / made} if made else {}
    return Outcome(result={"files": files, "seconds": seconds} | step_s)


def _spec(work: Work) -> TrainingSpec:
    with work.store.database.read() as tx:
        supernet = supernets.get(tx, work.job.id)
        assert supernet is not None and supernet.dataset_id is not None, work.job.id
        dataset = datasets.get(tx, supernet.dataset_id)
    assert dataset is not None, supernet.dataset_id
    earlier = supernet.spec.get("warm_start")
    begun = None if earlier is None else str(trained.fetch(work.store, earlier))
    return spec_from_record({**supernet.spec, "dataset": dataset.folder, "warm_start": begun})


def _training(settings: Settings, spec: TrainingSpec, folder: str) -> Iterator[TrainingEvent]:
    """Train here, or on several workers on Ray.

    Raises:
        JobFailed: more workers than CPUs.
        TryAgain: a worker on Ray died; what was trained up to the last checkpoint is kept.
    """
    if settings.train_workers == 1:
        yield from train(spec, folder)
        return
    from search.data_parallel import train_on_ray
    from service.ray_cluster import check_address, export_token

    check_address(settings)
    export_token(settings)
    options = {"workers": settings.train_workers, "threads": settings.train_threads}
    try:
        yield from train_on_ray(spec, folder, address=settings.ray_address, **options)
    except InvalidBudget as error:
        raise JobFailed("The training has too few CPUs", str(error)) from error
    except WorkerFailed as error:
        raise TryAgain(str(error)) from error


def _events(work: Work, spec: TrainingSpec, folder: str) -> Iterator[TrainingEvent]:
    """Yield the training's events; report them, but not more often than need be."""
    reported_s = 0.0
    for event in _training(work.store.settings, spec, folder):
        now_s = time.monotonic()
        if now_s - reported_s >= REPORT_S or event.step == event.total:
            work.report(asdict(event), event="progress")
            reported_s = now_s
        work.check()
        yield event
