"""The processes below this one: adopted when orphaned, and ended together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

KILLED_S = 5.0
"""Longest wait for killed processes to be gone, seconds."""
SET_CHILD_SUBREAPER = 36
"""prctl's option by which orphaned descendants become our children (Linux)."""


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, so that none is lost from sight."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return the living processes below a process, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = entry.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_descendants(patience_s: float) -> None:
    """End every process below this one: politely first, by SIGKILL after the patience."""
    deadline = time.monotonic() + patience_s
    _signal_all(signal.SIGTERM)
    while descendants(os.getpid()) and time.monotonic() < deadline:
        reap()
        time.sleep(0.05)
    while descendants(os.getpid()) and time.monotonic() < deadline + KILLED_S:
        _signal_all(signal.SIGKILL)
        reap()
        time.sleep(0.02)


def reap() -> None:
    """Take note of children that have ended, so that none stays a zombie."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _signal_all(number: signal.Signals) -> None:
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
