"""A trained supernet's files: kept in the artifact store by sha256, copied to a local folder where they
are used.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from service.errors import NotFound
from service.files import sha256_of
from service.identifiers import new_id
from service.store import Store
from service.stores import jobs

NAMES = ("supernet.safetensors", "supernet.json")


def keep(store: Store, folder: Path) -> dict[str, str]:
    """Put the files of a finished training into the artifact store and return their sha256 by name."""
    return {name: store.files.put(folder / name)[0] for name in NAMES}


def fetch(store: Store, supernet_id: str) -> Path:
    """Return a local folder with the trained supernet, fetched if it was trained elsewhere.

    Raises:
        NotFound: it is not trained, or its files are gone.
    """
    with store.database.read() as tx:
        job = jobs.get(tx, supernet_id)
    if job is None or not job.result or "files" not in job.result:
        raise NotFound(f"supernet {supernet_id} is not trained")
    digests: Mapping[str, str] = job.result["files"]
    folder = folder_of(store, supernet_id)
    folder.mkdir(parents=True, exist_ok=True)
    for name, digest in digests.items():
        target = folder / name
        if not target.exists() or sha256_of(target) != digest:
            _copy(store, digest, target)
    return folder


def folder_of(store: Store, supernet_id: str) -> Path:
    """Return the local folder in which a supernet is trained or used."""
    return store.settings.work_folder / "supernets" / supernet_id


def _copy(store: Store, digest: str, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{new_id()}.part")
    with partial.open("wb") as writer:
        shutil.copyfileobj(_Reader(store, digest), writer)
    partial.replace(target)


class _Reader:
    """The stored file as something that ``shutil`` can read."""

    def __init__(self, store: Store, digest: str) -> None:
        self._blocks = store.files.read(digest, 0, 2**62)

    def read(self, _size: int = -1) -> bytes:
        return next(self._blocks, b"")
