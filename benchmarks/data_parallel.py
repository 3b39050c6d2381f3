"""Do two data-parallel workers train nearly twice as fast as one?

Each worker has two threads and batches of its own. One worker, two workers, and two trainings that know
nothing of each other, as far as this machine goes, take the same few steps by turns, all in processes that
live through the whole measurement: one and two see the same architectures under the same conditions, and a
ratio is that of one turn. The model of the demo makes many small steps; a ResNet-18 on larger images is what
one would want several workers for.

The claim is for cores that are free. On a virtual machine they are not while its host runs others on them:
turns in which it kept more than a fiftieth of this machine's time are left out, and the ratio with them
stands beside. With fewer than four cores, or too few turns left, the ratios are printed and held to nothing.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import ray

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.machine import stolen_s
from search.cluster import start
from search.data_parallel import Member, join_members
from supernet.backbone import BackboneSpec
from supernet.data.digits import make_digits
from supernet.training.run import build_trainer
from supernet.training.spec import TrainingSpec

THREADS = 2
SEEDS = (0,)
TARGETS: dict[str, Target] = {}  # one where four cores are free, see `_figures`
AIM = Target(">=", 1.7)
STOLEN, ENOUGH = 0.02, 10
"""Share of the machine's time that its host may keep in a turn, and how many such turns make a claim."""


class Trainee(Member):
    """A member that takes some steps when it is asked to."""

    def load(self, record: str) -> None:
        """Prepare the training."""
        self._trainer, self._step = build_trainer(TrainingSpec.from_json(record)), 0

    def advance(self, steps: int) -> float:
        """Return the seconds that the next steps took."""
        began = time.perf_counter()
        for _ in range(steps):
            self._trainer.advance(self._step)
            self._step += 1
        return time.perf_counter() - began


@dataclass(frozen=True)
class Load:
    """The backbone, the images' side in pixels, images a batch; steps before what is timed, and a turn."""

    backbone: str
    side: int
    batch: int
    warm: int
    steps: int
    turns: int


LOADS = {"resnet18": Load("resnet18", 256, 8, 2, 2, 24), "plain": Load("plain", 128, 16, 8, 8, 40)}


@dataclass(frozen=True)
class Speed:
    """Images a second, and whether the host left this machine its cores meanwhile."""

    images_per_s: float
    free: bool


@dataclass(frozen=True)
class Turn:
    """The speeds of one worker, of two, and of two that do not work together, over the same steps."""

    one: Speed
    two: Speed
    apart: Speed


def measure(*, quick: bool) -> list[Figure]:
    """Time one and two workers in turn."""
    cores = len(os.sched_getaffinity(0))
    start(5 * THREADS)
    try:
        return [
            figure
            for name, load in LOADS.items()
            if name == "plain" or not quick
            for figure in _figures(name, _turns(replace(load, turns=10) if quick else load), cores)
        ]
    finally:
        ray.shutdown()


def _figures(name: str, turns: Sequence[Turn], cores: int) -> list[Figure]:
    load, free = LOADS[name], [turn for turn in turns if turn.one.free and turn.two.free]
    detail = (
        f"{THREADS} threads each, {cores} cores, batches of {load.batch} images of {load.side} pixels, "
        f"{len(free)} of {len(turns)} turns of {load.steps} steps"
    )
    aim = AIM if cores >= 2 * THREADS and len(free) >= ENOUGH else None
    ratios = [turn.two.images_per_s / turn.one.images_per_s for turn in turns]
    kept = [turn.two.images_per_s / turn.one.images_per_s for turn in free]
    apart = [t.apart.images_per_s / t.one.images_per_s for t in turns if t.one.free and t.apart.free]
    everywhere = "with the turns in which the host kept this machine's time for others"
    ceiling = "two trainings at once that share nothing: as far as this machine goes"
    found = [
        _median(f"{name}_two_workers_speedup", "", kept, detail, aim),
        _median(f"{name}_two_workers_speedup_all_turns", "", ratios, everywhere),
        _median(f"{name}_two_apart_speedup", "", apart, ceiling),
        _median(f"{name}_one_worker_images_per_s", "images/s", [turn.one.images_per_s for turn in free]),
        _median(f"{name}_two_workers_images_per_s", "images/s", [turn.two.images_per_s for turn in free]),
    ]
    return [figure for figure in found if figure is not None]


def _median(
    name: str, unit: str, values: Sequence[float], detail: str = "", aim: Target | None = None
) -> Figure | None:
    """Return the median of the turns with its bootstrap 95 % interval; None where there are no turns."""
    if not values:
        return None
    draws = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return Figure(name, float(np.median(values)), unit, aim, detail, float(low), float(high))


def _turns(load: Load) -> list[Turn]:
    with TemporaryDirectory() as folder:
        dataset = make_digits(Path(folder) / "digits", seed=0, train=256, val=1, image_size=load.side)
        spec = replace(
            TrainingSpec.demo(str(dataset)),
            backbone=BackboneSpec(load.backbone),
            rule="single_path",
            rule_options={},
            steps=load.warm + load.turns * load.steps,
            batch_size=load.batch,
        )
        with ExitStack() as stack:
            one, two, left, right = (stack.enter_context(trainees(spec, count)) for count in (1, 2, 1, 1))
            teams = {"one": one, "two": two, "apart": left + right}
            for team in teams.values():
                _advance(team, load, load.warm)
            return [_turn(load, teams, turn) for turn in range(load.turns)]


def _turn(load: Load, teams: dict[str, list[Any]], turn: int) -> Turn:
    """Let each team take the next steps, another one first each time."""
    order = [*teams][turn % len(teams) :] + [*teams][: turn % len(teams)]
    return Turn(**{name: _advance(teams[name], load, load.steps) for name in order})


def _advance(team: list[Any], load: Load, steps: int) -> Speed:
    began, stolen = time.monotonic(), stolen_s()
    seconds = ray.get([member.advance.remote(steps) for member in team])
    passed, kept = time.monotonic() - began, stolen_s() - stolen
    speed = sum(steps * load.batch / each for each in seconds)
    return Speed(speed, kept <= STOLEN * passed * (os.cpu_count() or 1))


@contextmanager
def trainees(spec: TrainingSpec, workers: int) -> Iterator[list[Any]]:
    """Yield workers that train together, ready for their first step."""
    team = join_members(Trainee, workers, THREADS, on_gpu=False)
    try:
        ray.get([member.load.remote(spec.to_json()) for member in team])
        yield team
    finally:
        for member in team:
            ray.kill(member)


if __name__ == "__main__":
    form.main("data_parallel", measure)
