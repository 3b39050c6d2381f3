"""The memory that the demo and all its processes take together, at most."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.processes import descendants

EVERY_S = 2.0


@dataclass
class Peak:
    """The most memory seen, bytes; pages that processes share count once."""

    bytes: int = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Yield a peak that grows while this process and those below it are looked at."""
    peak, done = Peak(), threading.Event()

    def look() -> None:
        while not done.wait(EVERY_S):
            pids = [os.getpid(), *descendants(os.getpid())]
            peak.bytes = max(peak.bytes, sum(proportional_bytes(pid) for pid in pids))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def proportional_bytes(pid: int) -> int:
    """Return a process's share of memory, bytes; 0 where it cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
