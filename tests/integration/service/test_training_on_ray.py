"""A training on several workers: what is asked of Ray, and how its failures end the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search import data_parallel
from search.errors import InvalidBudget, WorkerFailed
from service.jobs import train as runner
from service.settings import Settings
from service.work import JobFailed, TryAgain
from supernet.training.run import TrainingEvent
from supernet.training.spec import TrainingSpec

SPEC = TrainingSpec("somewhere", steps=7)


def training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception | None) -> dict[str, Any]:
    """Return what Ray is asked for, having yielded one event or failed."""
    asked: dict[str, Any] = {}

    def train(spec: TrainingSpec, folder: str, **options: Any) -> Iterator[TrainingEvent]:
        asked.update(options, steps=spec.steps, folder=folder)
        if error is not None:
            raise error
        yield TrainingEvent(7, 7)

    monkeypatch.setattr(data_parallel, "train_on_ray", train)
    settings = Settings(data=tmp_path, train_threads=2, train_workers=3)
    assert list(runner._training(settings, SPEC, "folder")) == [TrainingEvent(7, 7)]
    return asked


def test_workers_and_threads_are_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = {"workers": 3, "threads": 2, "address": None, "steps": 7, "folder": "folder"}
    assert training(monkeypatch, tmp_path, None) == expected


def test_a_dead_worker_is_tried_again_and_too_few_cpus_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(TryAgain, match="died"):
        training(monkeypatch, tmp_path, WorkerFailed("a worker died"))
    with pytest.raises(JobFailed, match="4 CPUs"):
        training(monkeypatch, tmp_path, InvalidBudget("the cluster has 4 CPUs"))
