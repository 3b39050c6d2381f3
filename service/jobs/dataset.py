"""Makes or checks a dataset: generates a built-in one, decodes every image, and counts what is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from service import thumbnails
from service.datasets import SPLITS
from service.errors import LeaseLost
from service.stores import datasets, jobs
from service.work import JobFailed, Outcome, Work
from supernet.data.coco import CocoDetection, ImageRecord
from supernet.errors import DatasetError

CHECK_EVERY = 64
"""Images between two looks whether to stop."""


def run(work: Work) -> Outcome:
    """Make the dataset's folder sound and known, and store its revision and statistics."""
    with work.store.database.read() as tx:
        dataset = datasets.get(tx, work.job.id)
    if dataset is None:
        raise LeaseLost("the dataset was removed")
    folder = Path(dataset.folder)
    try:
        if dataset.source != "folder":
            _generate(dataset.source, folder, dataset.spec)
        splits = {split: CocoDetection.open(folder, split) for split in SPLITS}
        for split, opened in splits.items():
            _decode(work, split, opened)
    except DatasetError as error:
        message = str(error).replace(f"{work.store.settings.resolved_dataset_root}/", "")
        raise JobFailed("The dataset cannot be used", message, pointer="/path") from error
    pictures = {split: thumbnails.keep(work.store, opened.images) for split, opened in splits.items()}
    files = {f"{split}/{index}": sha for split, found in pictures.items() for index, sha in enumerate(found)}
    statistics = {split: asdict(opened.statistics) for split, opened in splits.items()}
    with work.write() as tx:
        datasets.finish(tx, dataset.id, revision=_revision(splits), statistics=statistics)
        jobs.progress(tx, work.hold.lease, {"step": 1, "total": 1, "eta_s": 0.0})
    counts = {split: len(opened.images) for split, opened in splits.items()}
    return Outcome(result={"images": counts, "files": files})


def _generate(generator: str, folder: Path, options: Mapping[str, Any]) -> None:
    make = getattr(import_module(f"supernet.data.{generator}"), f"make_{generator}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    make(folder, **options)


def _decode(work: Work, split: str, opened: CocoDetection) -> None:
    for index, record in enumerate(opened.images):
        if index % CHECK_EVERY == 0:
            work.check()
            work.report({"split": split, "step": index, "total": len(opened.images)})
        record.pixels()


def _revision(splits: Mapping[str, CocoDetection]) -> str:
    """Return a digest of the annotations and of the images' names and sizes in bytes."""
    digest = hashlib.sha256()
    for split, opened in sorted(splits.items()):
        digest.update(split.encode() + hashlib.sha256(opened.annotations.read_bytes()).digest())
        digest.update(json.dumps([_trace(record) for record in opened.images]).encode())
    return digest.hexdigest()


def _trace(record: ImageRecord) -> tuple[str, int]:
    return record.path.name, record.path.stat().st_size
