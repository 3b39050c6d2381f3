"""Which processor cores are quiet, and holding this thread on them."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STAT = Path("/proc/stat")
_WATCH_S = 0.03


@contextmanager
def on_quiet_cores(count: int) -> Iterator[None]:
    """Keep the calling thread, and threads that it starts, on the `count` least busy cores it may use.

    Does nothing where the system offers no affinity or no more cores than `count`.
    """
    if not hasattr(os, "sched_setaffinity") or not _STAT.exists():
        yield
        return
    before = os.sched_getaffinity(0)
    if len(before) > count:
        os.sched_setaffinity(0, quietest(before, count))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def quietest(cores: set[int], count: int) -> set[int]:
    """Return the `count` cores that did the least over a few hundredths of a second."""
    first = _busy()
    time.sleep(_WATCH_S)
    second = _busy()
    work = {core: second.get(core, 0) - first.get(core, 0) for core in cores}
    return set(sorted(cores, key=lambda core: (work[core], core))[:count])


def _busy() -> dict[int, int]:
    """Return clock ticks spent not idle, by core."""
    found = {}
    for line in _STAT.read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            ticks = [int(value) for value in fields]
            found[int(name[3:])] = sum(ticks) - ticks[3] - ticks[4]
    return found
