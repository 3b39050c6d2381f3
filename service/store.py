"""The service's memory: its database, its files and the rules that join them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from service.database import Database
from service.errors import Unavailable
from service.files import Files, free_bytes
from service.records import Lease
from service.settings import Settings
from service.stores import jobs


@dataclass(frozen=True)
class Store:
    """What the API, the worker and the commands share; made in ``wiring``."""

    database: Database
    files: Files
    settings: Settings

    @contextmanager
    def under(self, lease: Lease) -> Iterator[Connection]:
        """Yield a writing transaction that holds the job's row, so that only the bearer of the lease writes.

        Raises:
            LeaseLost: another attempt or epoch holds the job.
        """
        with self.database.write() as tx:
            jobs.guard(tx, lease)
            yield tx

    def require_disk(self) -> None:
        """Refuse new work below the low-water mark of free disk.

        Raises:
            Unavailable: too little is free.
        """
        free = free_bytes(self.settings.data)
        if free < self.settings.low_water_bytes:
            raise Unavailable(
                f"{free >> 20} MiB of disk are free, less than the low-water mark of "
                f"{self.settings.low_water_bytes >> 20} MiB: free some, or run neckline gc"
            )

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()
