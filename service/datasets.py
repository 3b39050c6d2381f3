"""Registering datasets: where they may lie, and what must be right before a job is made of them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from service.database import read_clock
from service.errors import Pointed, TooMany, Unacceptable
from service.models.datasets import NewDataset
from service.records import Dataset
from service.settings import Settings
from service.store import Store
from service.stores import datasets, jobs

SPLITS = ("train", "val")


def register(store: Store, owner: str, dataset_id: str, request: NewDataset) -> None:
    """Store a dataset and the job that checks or generates it; again with the same id it does nothing.

    Raises:
        Unacceptable: the folder is not below the root, or its annotations are not sound.
    """
    store.require_disk()
    settings = store.settings
    if request.path is not None:
        folder = below(settings.resolved_dataset_root, request.path, pointer="/path")
        check_folder(folder, settings.resolved_dataset_root)
        name, source, spec = request.name or request.path, "folder", {"path": request.path}
    else:
        assert request.builtin is not None
        folder = settings.resolved_dataset_root / "generated" / dataset_id
        name, source, spec = request.name or request.builtin, request.builtin, request.options.model_dump()
    with store.database.write() as tx:
        if datasets.get(tx, dataset_id) is not None:
            return
        require_room(tx, owner, settings)
        jobs.enqueue(tx, jobs.NewJob(dataset_id, "dataset", owner, {"source": source, **spec}))
        now = read_clock(tx)
        datasets.add(tx, Dataset(dataset_id, owner, name, source, spec, str(folder), None, None, now))


def below(root: Path, relative: str, *, pointer: str) -> Path:
    """Return the real path of a client's relative path, which must stay below the root, links followed.

    Raises:
        Unacceptable: it is absolute, climbs out, or leads out by a link.
    """
    if relative.startswith(("/", "~", "\\")) or "\0" in relative or "\\" in relative or "%" in relative:
        raise Unacceptable(Pointed(pointer, "must be a plain path relative to the service's root"))
    if any(part in ("", ".", "..") for part in relative.split("/")):
        raise Unacceptable(Pointed(pointer, "must not contain empty, '.' or '..' parts"))
    real_root = root.resolve()
    real = (real_root / relative).resolve()
    if not real.is_relative_to(real_root):
        raise Unacceptable(Pointed(pointer, "leads out of the service's root"))
    return real


def check_folder(folder: Path, root: Path) -> None:
    """Refuse a folder whose records are not sound; paths in the message are relative to the root.

    Raises:
        Unacceptable: the first problem of each split, with its file, record and remedy.
    """
    from supernet.data.coco import problems

    for split in SPLITS:
        for problem in problems(folder, split):
            message = str(problem).replace(f"{root.resolve()}/", "").replace(f"{root}/", "")
            raise Unacceptable(Pointed("/path", f"{type(problem).__name__}: {message}"))


def require_room(tx: Connection, owner: str, settings: Settings) -> None:
    """Refuse more work from an owner who has the most allowed already.

    Raises:
        TooMany: so it is.
    """
    check_room(jobs.active_count(tx, owner), settings)


def check_room(active: int, settings: Settings) -> None:
    """Refuse more work from an owner with that many unfinished jobs.

    Raises:
        TooMany: they are the most allowed.
    """
    if active >= settings.max_active_jobs:
        raise TooMany(f"{active} of your jobs are unfinished, the most allowed: wait or cancel some", 60.0)
