"""Do two data-parallel workers train nearly twice as fast as one?

Each worker has two threads and batches of its own. A round times one worker, two workers, and two trainings
side by side that know nothing of each other: what this machine gives two at once, whoever they are. The speed
is that of the steps behind the first few, in images a second. The model of the demo makes many small steps;
a ResNet-18 on larger images is what one would want several workers for. On a machine with fewer than four
free cores the ratios are printed and held to nothing.
"""

import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import ray

from benchmarks import form
from benchmarks.form import Figure, Target
from search.cluster import start
from search.data_parallel import train_on_ray
from supernet.backbone import BackboneSpec
from supernet.data.digits import make_digits
from supernet.training.spec import TrainingSpec

THREADS = 2
SEEDS = (0,)
TARGETS: dict[str, Target] = {}  # one where four cores are free, see `measure`
AIM = Target(">=", 1.7)


@dataclass(frozen=True)
class Load:
    """What is trained: the backbone, the images' side in pixels, images a batch, steps timed, and before."""

    backbone: str
    side: int
    batch: int
    steps: int
    warm: int


LOADS = {"resnet18": Load("resnet18", 256, 8, 16, 4), "plain": Load("plain", 128, 16, 64, 8)}


@dataclass(frozen=True)
class Round:
    """Images a second of one worker, of two, and of two that do not work together."""

    one: float
    two: float
    apart: float


def measure(*, quick: bool) -> list[Figure]:
    """Time one and two workers in turn."""
    cores = len(os.sched_getaffinity(0))
    start(max(cores, 2 * THREADS))
    try:
        return [
            figure
            for name, load in LOADS.items()
            for figure in _figures(name, _rounds(load, 1 if quick else 5), cores)
        ]
    finally:
        ray.shutdown()


def _figures(name: str, rounds: list[Round], cores: int) -> list[Figure]:
    load = LOADS[name]
    detail = (
        f"{THREADS} threads each, {cores} cores, batches of {load.batch} images of {load.side} pixels, "
        f"{len(rounds)} rounds"
    )
    aim = AIM if cores >= 2 * THREADS else None
    speedups = [r.two / r.one for r in rounds]
    apart = [r.apart / r.one for r in rounds]
    return [
        Figure(
            f"{name}_two_workers_speedup",
            statistics.median(speedups),
            "",
            aim,
            detail,
            min(speedups),
            max(speedups),
        ),
        Figure(
            f"{name}_two_apart_speedup",
            statistics.median(apart),
            "",
            None,
            "two trainings at once that share nothing: as far as this machine goes",
            min(apart),
            max(apart),
        ),
        Figure(f"{name}_one_worker_images_per_s", statistics.median(r.one for r in rounds), "images/s"),
        Figure(f"{name}_two_workers_images_per_s", statistics.median(r.two for r in rounds), "images/s"),
    ]


def _rounds(load: Load, count: int) -> list[Round]:
    with TemporaryDirectory() as folder:
        dataset = make_digits(Path(folder) / "digits", seed=0, train=256, val=1, image_size=load.side)
        spec = replace(
            TrainingSpec.demo(str(dataset)),
            backbone=BackboneSpec(load.backbone),
            rule="single_path",
            rule_options={},
            steps=load.warm + load.steps,
            batch_size=load.batch,
            event_every=load.warm,
            checkpoint_every=load.warm + load.steps + 1,
        )
        return [_round(spec, Path(folder) / str(turn)) for turn in range(count)]


def _round(spec: TrainingSpec, folder: Path) -> Round:
    one = _speed(spec, folder / "one", 1)
    two = _speed(spec, folder / "two", 2)
    with ThreadPoolExecutor(2) as pool:
        apart = sum(pool.map(lambda name: _speed(spec, folder / name, 1), ("left", "right")))
    return Round(one, two, apart)


def _speed(spec: TrainingSpec, folder: Path, workers: int) -> float:
    """Return the images a second of the steps behind the first `event_every`."""
    events = train_on_ray(spec, folder, workers=workers, threads=THREADS)
    speeds = [event.images_per_s for event in events if event.step > spec.event_every]
    return statistics.harmonic_mean(speed for speed in speeds if speed is not None)


if __name__ == "__main__":
    form.main("data_parallel", measure)
