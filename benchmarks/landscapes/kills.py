"""Kill an actor, the driver or the raylet of a running search, again and again, and compare what is found."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.landscapes.interrupted import go_on, question, scorer, stored
from search.executors.local import LocalExecutor
from search.result import ParetoFront

EVALUATIONS = 120
TARGETS = ("actor", "driver", "raylet")
DEADLINE_S = 240.0
"""For one search from its start, or from its last kill, to its end."""


@dataclass(frozen=True)
class Damage:
    """What the kills did to one search.

    Attributes:
        kills: how many there were, by target.
        lost: architectures of the calm search that are missing.
        doubled: evaluations stored more than once.
        same_front: whether the front is the same.
        seconds: how long it took.
    """

    kills: dict[str, int]
    lost: int
    doubled: int
    same_front: bool
    seconds: float


def suffer(folder: Path, kills: int, seed: int) -> Damage:
    """Run the search to its end under that many kills at random moments, and compare it with a calm one."""
    rng, began = np.random.default_rng(seed), time.monotonic()
    path, calm = folder / f"killed_{seed}.jsonl", folder / "calm.jsonl"
    with LocalExecutor(scorer()) as executor:
        go_on(calm, EVALUATIONS, executor)
    moments = iter(np.sort(rng.integers(1, EVALUATIONS - 1, kills)).tolist())
    done = dict.fromkeys(TARGETS, 0)
    process = _start(path)
    for moment in moments:
        process = _reached(path, moment, process)
        target = TARGETS[int(rng.integers(len(TARGETS)))]
        process = _struck(path, process, target, rng)
        done[target] += 1
    while process.wait(DEADLINE_S) != 0:
        process = _start(path)
    return _compared(path, calm, done, time.monotonic() - began)


def _start(path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.landscapes.interrupted", str(path), str(EVALUATIONS)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet)


def _reached(path: Path, moment: int, process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    """Wait until the file holds that many evaluations, starting the search again where it died."""
    until = time.monotonic() + DEADLINE_S
    while not path.exists() or path.read_bytes().count(b"\n") < moment:
        if process.poll() not in (None, 0):
            process = _start(path)
        if process.poll() == 0:
            break
        if time.monotonic() > until:
            raise TimeoutError(f"the search stands still before evaluation {moment}")
        time.sleep(0.005)
    return process


def _struck(
    path: Path, process: "subprocess.Popen[bytes]", target: str, rng: np.random.Generator
) -> "subprocess.Popen[bytes]":
    """Kill one process of that kind, waiting for it where the search has only just begun again."""
    until = time.monotonic() + DEADLINE_S
    while not _kill(process.pid, target, rng):
        if process.poll() is not None:
            process = _start(path)
        if time.monotonic() > until:
            raise TimeoutError(f"no {target} came up")
        time.sleep(0.02)
    return process


def _kill(driver: int, target: str, rng: np.random.Generator) -> bool:
    """Send SIGKILL to one process of the search; False where there is none of that kind now."""
    family = dict(_family(driver))
    mark = {"actor": "ray::_Actor", "raylet": "raylet/raylet"}.get(target)
    found = [driver] if mark is None else [pid for pid, name in family.items() if mark in name]
    if not found or not Path(f"/proc/{driver}").exists():
        return False
    os.kill(int(rng.choice(found)), signal.SIGKILL)
    return True


def _family(root: int) -> Iterator[tuple[int, str]]:
    """Yield the process id and command line of `root` and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue  # gone meanwhile
            children.setdefault(parent, []).append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def _compared(path: Path, calm: Path, done: dict[str, int], seconds: float) -> Damage:
    after, before = stored(path), stored(calm)
    keys = [entry.key for entry in after]
    fronts = [[entry.key for entry in ParetoFront.of(question(), found).members] for found in (after, before)]
    return Damage(
        kills=done,
        lost=len({entry.key for entry in before} - set(keys)),
        doubled=len(keys) - len(set(keys)),
        same_front=fronts[0] == fronts[1],
        seconds=seconds,
    )
