"""The artifact store: files named by their sha256, in a folder or below an fsspec URL."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import fsspec

from service.errors import NotFound
from service.identifiers import new_id

CHUNK_BYTES = 256 * 1024
HEX = frozenset("0123456789abcdef")


class Files:
    """Content-addressed files; no name from outside ever becomes a path."""

    def __init__(self, url: str) -> None:
        self._system, self._root = fsspec.core.url_to_fs(url)
        self._system.makedirs(self._root, exist_ok=True)

    def put(self, source: Path) -> tuple[str, int]:
        """Store a copy of a file and return its sha256 and its size in bytes."""
        digest = sha256_of(source)
        if not self.exists(digest):
            self._write(source, digest)
        return digest, source.stat().st_size

    def exists(self, digest: str) -> bool:
        """Return whether a file of this sha256 is stored."""
        return bool(self._system.exists(self._path(digest)))

    def read(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from start up to, not including, end.

        Raises:
            NotFound: no such file is stored.
        """
        try:
            stream: IO[bytes] = self._system.open(self._path(digest), "rb")
        except FileNotFoundError as error:
            raise NotFound("the artifact's file is gone from the store") from error
        with stream:
            stream.seek(start)
            left = end - start
            while left > 0 and (block := stream.read(min(CHUNK_BYTES, left))):
                left -= len(block)
                yield block

    def size(self, digest: str) -> int:
        """Return the size of a stored file, bytes."""
        return int(self._system.size(self._path(digest)))

    def remove(self, digest: str) -> None:
        """Remove a file if it is there."""
        if self.exists(digest):
            self._system.rm(self._path(digest))

    def digests(self) -> list[str]:
        """Return the sha256 of every stored file."""
        names = (Path(path).name for path in self._system.find(self._root))
        return [name for name in names if len(name) == 64 and set(name) <= HEX]

    def _write(self, source: Path, digest: str) -> None:
        target = self._path(digest)
        partial = f"{target}.{new_id()}.part"
        self._system.makedirs(str(Path(target).parent), exist_ok=True)
        with source.open("rb") as reader, self._system.open(partial, "wb") as writer:
            shutil.copyfileobj(reader, writer, CHUNK_BYTES)
            writer.flush()
            if hasattr(writer, "fileno") and "file" in self._system.protocol:
                os.fsync(writer.fileno())
        self._system.mv(partial, target)

    def _path(self, digest: str) -> str:
        if len(digest) != 64 or not set(digest) <= HEX:
            raise NotFound("not a sha256")
        return f"{self._root}/{digest[:2]}/{digest}"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def free_bytes(folder: Path) -> int:
    """Return the free disk space below a folder, bytes."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free
