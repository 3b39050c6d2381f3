"""The necks that `benchmarks.latency` measures, and one runtime's measurements of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evaluators import devices
from evaluators.latency.calibrate import SECONDS, designed, expected_times
from evaluators.latency.choice import Design
from evaluators.latency.device import Device
from evaluators.latency.features import Totals, matrix, totals, vocabulary
from evaluators.latency.measuring import finished, measure
from evaluators.latency.session import Protocol, Session
from search_space import reference
from search_space.architecture import Architecture
from search_space.errors import SearchSpaceError
from search_space.space import Space

Floats = NDArray[np.float64]

IMAGE = (256, 256)
CHANNELS = {3: 64, 4: 128, 5: 256}
WIDTHS = [32, 48, 64, 96, 128]
SEEDS = (101, 102, 103)
"""Of the necks that are trained on."""
HELD_OUT_SEEDS = (10411, 10412, 10413)
"""Of the necks held out beside each of them; none of them was measured before the method was final."""
QUICK_SEEDS = 7400, 740
"""Held out and trained on in a quick look, which must not show the necks that count."""
HELD_OUT = 200
"""For each seed: with 100 intervals of exactly .90 would miss .80 in one of ten deciles in a fourth of all
claims, with 200 in one of eighteen."""
REFERENCES = 32
AGAIN = 10
"""Held-out necks of each seed that a second session measures, for the repeatability of a label."""
BUDGETS = (20, 50)
DRAWN = (*[False] * designed(20), *[True] * (20 - designed(20)))
DRAWN += (*[False] * (designed(50) - designed(20)), *[True] * (30 - designed(50) + designed(20)))
"""Of the 50 necks of a seed, those drawn at random; the first 20 are what a budget of 20 measures."""
SPACE_NAMES = ("fusion_grid", "merging_cells", "path_aggregation")


def space_of(name: str) -> Space:
    """Return a space on the benchmark's backbone."""
    return Space.load({"space": name, "channels": CHANNELS, "widths": WIDTHS})


SPACES = tuple(map(space_of, SPACE_NAMES[:2]))
"""Of the necks that are measured."""


@dataclass(frozen=True)
class Neck:
    """A neck and, where it is of a space, its place there for the trees' encoding."""

    architecture: Architecture
    encoding: Floats | None


def sampled(count: int, rng: np.random.Generator, taken: set[str]) -> list[Neck]:
    """Return new necks, in turn from each space."""
    found: list[Neck] = []
    while len(found) < count:
        place = len(found) % len(SPACES)
        genotype = SPACES[place].sample(rng)
        neck = SPACES[place].architecture(genotype)
        if neck.key in taken:
            continue
        taken.add(neck.key)
        parts = [np.zeros(len(s.encode(s.smallest()))) for s in SPACES]
        parts[place] = SPACES[place].encode(genotype)
        found.append(Neck(neck, np.concatenate([[float(place)], *parts])))
    return found


def references(device: Device, width: int) -> list[Neck]:
    """Return the reference necks that this backbone and the runtime allow."""
    found: dict[str, Neck] = {}
    for name in reference.names():
        try:
            made = reference.build(name, CHANNELS, width=width)
        except SearchSpaceError:
            continue
        if made.export_safe and all(kernel.known for kernel in device.lower(made, IMAGE)):
            found.setdefault(made.key, Neck(made, None))
    return list(found.values())


@dataclass(frozen=True)
class Trial:
    """One runtime's data for one seed: held-out necks and training necks, measured in one session."""

    device: Device
    session: Session
    test: Sequence[Neck]
    train: Sequence[Neck]
    again: Session
    """A later session of `repeated` held-out necks."""
    repeated: tuple[int, ...]

    @property
    def repeatability(self) -> Floats:
        """Relative disagreement of the two sessions' labels of the same necks."""
        first, second = self.session.reference_ms, self.again.reference_ms
        later = np.array([entry.latency_ms for entry in self.again.measured]) * first / second
        return np.abs(later / self.truth[list(self.repeated)] - 1)

    @property
    def truth(self) -> Floats:
        """Labels of the held-out necks in ms."""
        return self._labels[: len(self.test)]

    @property
    def training_labels(self) -> Floats:
        """Labels of the training necks in ms."""
        return self._labels[len(self.test) :]

    @property
    def _labels(self) -> Floats:
        return np.array([entry.latency_ms for entry in self.session.measured])

    @cached_property
    def every(self) -> list[Totals]:
        """Kernel totals of the training necks, then of those held out."""
        return [totals(self.device.lower(neck.architecture, IMAGE)) for neck in (*self.train, *self.test)]

    @property
    def every_label(self) -> Floats:
        """Labels in that order in ms."""
        return np.concatenate([self.training_labels, self.truth])

    @property
    def held_out(self) -> list[Totals]:
        """Kernel totals of the necks held out."""
        return self.every[len(self.train) :]


def trial(name: str, number: int, *, quick: bool) -> Trial:
    """Measure a runtime for one seed: held-out and training necks in one session, some again in another.

    Each neck gets the time that a calibration gives it.
    """
    device = devices.load(name)
    held_seed, seed = QUICK_SEEDS if quick else (HELD_OUT_SEEDS[number], SEEDS[number])
    rng = np.random.default_rng(held_seed)
    held_out = HELD_OUT // 8 if quick else HELD_OUT
    known = references(device, 64)
    chosen = rng.permutation(len(known))[: min(REFERENCES, held_out // 6)]
    test = [known[index] for index in chosen]
    taken = {neck.architecture.key for neck in test}
    test += sampled(held_out - len(test), rng, taken)
    train = chosen_to_train(device, seed, taken)
    session = _measured(device, [*test, *train], quick=quick)
    some = rng.permutation(len(test))[: AGAIN // 2 if quick else AGAIN].tolist()
    again = _measured(device, [test[index] for index in some], quick=quick)
    return Trial(device, session, test, train, again, tuple(some))


def _measured(device: Device, necks: Sequence[Neck], *, quick: bool) -> Session:
    seconds = SECONDS * len(necks) / max(BUDGETS)
    protocol = Protocol(visits=6, most_visits=6) if quick else Protocol(seconds=seconds)
    architectures = [neck.architecture for neck in necks]
    return finished(measure(device, architectures, image_size=IMAGE, protocol=protocol))


def chosen_to_train(device: Device, seed: int, taken: set[str]) -> list[Neck]:
    """Return the necks that calibrations choose from new ones: those of the smaller budget first.

    See `DRAWN` for which of them are drawn at random; the others are D-optimal.
    """
    rng = np.random.default_rng(seed)
    pool = [*references(device, 96), *sampled(400, rng, taken)]
    every = [totals(device.lower(neck.architecture, IMAGE)) for neck in pool]
    design = Design(matrix(every, vocabulary(every)), expected_times(every, device.lowering.runtime))
    best = iter(design.extend(DRAWN.count(False)))
    rest = iter([at for at in rng.permutation(len(pool)).tolist() if at not in set(design.chosen)])
    return [pool[next(rest if drawn else best)] for drawn in DRAWN]
