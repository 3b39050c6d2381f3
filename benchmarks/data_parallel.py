"""Do two data-parallel workers train nearly twice as fast as one?

Each worker has two threads and batches of its own. The speed is that of the steps behind the first few, in
images a second, median over rounds that take turns. On a machine with fewer than four free cores the ratio is
printed and held to nothing.
"""

import os
import statistics
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import form
from benchmarks.form import Figure, Target
from search.data_parallel import train_on_ray
from supernet.data.digits import make_digits
from supernet.training.spec import TrainingSpec

THREADS = 2
STEPS, WARM = 24, 8
SEEDS = (0,)
TARGETS: dict[str, Target] = {}  # one where four cores are free, see `measure`
AIM = Target(">=", 1.7)


def measure(*, quick: bool) -> list[Figure]:
    """Time one and two workers in turn."""
    rounds = 1 if quick else 3
    cores = len(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder:
        dataset = make_digits(Path(folder) / "digits", seed=0, train=256, val=1)
        spec = replace(TrainingSpec.demo(str(dataset)), rule="single_path", rule_options={}, steps=STEPS)
        made = [
            [_speed(spec, Path(folder) / f"{turn}-{workers}", workers) for workers in (1, 2)]
            for turn in range(rounds)
        ]
    ratios = [two / one for one, two in made]
    detail = f"{THREADS} threads each, {cores} cores, {rounds} rounds"
    aim = AIM if cores >= 2 * THREADS else None
    low, high = min(ratios), max(ratios)
    return [
        Figure("two_workers_speedup", statistics.median(ratios), "", aim, detail, low, high),
        Figure("one_worker_images_per_s", statistics.median(one for one, _ in made), "images/s"),
        Figure("two_workers_images_per_s", statistics.median(two for _, two in made), "images/s"),
    ]


def _speed(spec: TrainingSpec, folder: Path, workers: int) -> float:
    """Return the images a second of the steps behind the first `WARM`."""
    events = train_on_ray(
        replace(spec, event_every=WARM, checkpoint_every=STEPS + 1), folder, workers=workers, threads=THREADS
    )
    speeds = [event.images_per_s for event in events if event.step > WARM]
    return statistics.mean(speed for speed in speeds if speed is not None)


if __name__ == "__main__":
    form.main("data_parallel", measure)
