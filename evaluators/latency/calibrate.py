"""`calibrate`: measure a few necks of a space on a device and fit its predictor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators import devices
from evaluators.latency.choice import Design, distinct, nearness
from evaluators.latency.device import Device
from evaluators.latency.errors import DriftedSession, TooFewSamples
from evaluators.latency.features import Totals, matrix, overall, totals, vocabulary
from evaluators.latency.measuring import measure
from evaluators.latency.predictor import MINIMUM_SAMPLES, Predictor
from evaluators.latency.session import Progress, Protocol, Session, joined
from evaluators.latency.transfer import fit_from
from search_space.architecture import Architecture
from search_space.op import Size
from search_space.space import Space

Floats = NDArray[np.float64]

DESIGNED = 20
"""Necks chosen by D-optimality before the first fit, but at most half of the budget: few extremes alone
say little of ordinary necks."""
SECONDS = 90.0
"""Time after which a session begins no further round unless a protocol says otherwise."""
TYPICAL = 30
"""Necks drawn at random after those, whose held-out errors stand for necks to come."""
SITTING = 50
"""Necks of one session at most."""
CANDIDATES = 400
"""Sampled necks that the choice is made from."""


@dataclass(frozen=True)
class Calibration:
    """A fitted predictor and everything that it was fitted to.

    Attributes:
        predictor: of the device.
        architectures: the measured necks.
        sessions: their measurements, in that order over all sessions.
        elapsed_s: how long it took.
    """

    predictor: Predictor
    architectures: tuple[Architecture, ...]
    sessions: tuple[Session, ...]
    elapsed_s: float

    @property
    def times_ms(self) -> tuple[float, ...]:
        """The label of each neck."""
        return tuple(m.latency_ms for session in self.sessions for m in session.measured)

    @property
    def noise_floor(self) -> float:
        """Median of the sessions' noise floors, relative."""
        return float(np.median([session.noise_floor for session in self.sessions]))


def calibrate(
    device: str | Device,
    space: Space,
    budget: int = 50,
    seed: int = 0,
    *,
    threads: int = 1,
    image_size: Size = (640, 640),
    batch: int = 1,
    budget_ms: float | None = None,
    also: Sequence[Architecture] = (),
    prior: Predictor | None = None,
    protocol: Protocol | None = None,
) -> Iterator[Progress | Calibration]:
    """Yield progress and, last, the calibration of a device by `budget` measured necks of a space.

    Args:
        device: a device or its name.
        space: where necks are chosen from.
        budget: necks to measure, at least 10.
        seed: of the candidates and of the order of measuring.
        threads: of a device given by name.
        image_size: height and width in pixels.
        batch: images of one inference.
        budget_ms: a time near which more necks are measured.
        also: necks that are measured in any case, such as the baselines; they count.
        prior: a predictor of a similar device to start from where that helps; see `transfer.nearest`.
        protocol: how to measure.

    Raises:
        TooFewSamples: a budget below 10, or a space with fewer necks.
        UnknownDevice, DeviceUnavailable, NotOnDevice: see the device.
        DriftedSession: the device changed in between, twice.
    """
    if budget < MINIMUM_SAMPLES:
        raise TooFewSamples(f"a budget of {budget} necks; a predictor needs at least {MINIMUM_SAMPLES}")
    found = devices.load(device, threads=threads) if isinstance(device, str) else device
    pool = candidates(space, seed, also)
    yield from _Calibrating(found, pool, len(also), budget, image_size, batch, budget_ms, prior).run(
        replace(protocol or Protocol(seconds=SECONDS), seed=seed)
    )


def candidates(space: Space, seed: int, also: Sequence[Architecture] = ()) -> list[Architecture]:
    """Return distinct necks: `also`, the space's corners, then samples."""
    rng = np.random.default_rng(seed)
    genotypes = [*space.corners(), *(space.sample(rng) for _ in range(CANDIDATES))]
    every = [*also, *(space.architecture(genotype) for genotype in dict.fromkeys(genotypes))]
    return [every[index] for index in distinct([entry.key for entry in every])]


@dataclass
class _Calibrating:
    device: Device
    pool: list[Architecture]
    fixed: int
    budget: int
    image_size: Size
    batch: int
    budget_ms: float | None
    prior: Predictor | None

    def run(self, protocol: Protocol) -> Iterator[Progress | Calibration]:
        if len(self.pool) < MINIMUM_SAMPLES:
            raise TooFewSamples(
                f"the space has {len(self.pool)} necks; a predictor needs at least {MINIMUM_SAMPLES}"
            )
        every = [totals(self.device.lower(entry, self.image_size, self.batch)) for entry in self.pool]
        chosen, typical = self._first(every)
        sessions: list[Session] = []
        yield from self._measure(chosen, protocol, sessions, 0)
        if self.budget > len(chosen):
            known = self._fit(every, chosen, sessions, typical)
            later = self._unsure(every, chosen, known)
            yield from self._measure(later, protocol, sessions, len(chosen))
            chosen, typical = [*chosen, *later], [*typical, *(False for _ in later)]
        elapsed_s = sum(session.elapsed_s for session in sessions)
        try:
            sessions = list(joined(sessions))
        except DriftedSession:  # once more from the start; whatever changed may have settled
            sessions = []
            yield from self._measure(chosen, protocol, sessions, 0)
            elapsed_s += sum(session.elapsed_s for session in sessions)
            sessions = list(joined(sessions))
        predictor = self._fit(every, chosen, sessions, typical)
        architectures = tuple(self.pool[index] for index in chosen)
        yield Calibration(predictor, architectures, tuple(sessions), elapsed_s)

    def _first(self, every: Sequence[Totals]) -> tuple[list[int], list[bool]]:
        """Return what is measured first, by D-optimality and then at random, and which is the latter."""
        expected = expected_times(every, self.device.lowering.runtime)
        design = Design(matrix(every, vocabulary(every)), expected)
        for index in range(min(self.fixed + 2, len(self.pool), self.budget)):
            design.take(index)
        design.extend(max(0, designed(self.budget) - len(design.chosen)))
        rest = self.budget - len(design.chosen)
        count = min(TYPICAL, rest if self.budget_ms is None else rest // 2)
        drawn = [index for index in range(len(self.pool)) if index not in set(design.chosen)][:count]
        return [*design.chosen, *drawn], [False] * len(design.chosen) + [True] * len(drawn)

    def _unsure(self, every: Sequence[Totals], chosen: Sequence[int], known: Predictor) -> list[int]:
        """Return what is measured then: where the fit is least sure, above all near the time of interest."""
        times = known.predict_totals(every)
        design = Design(matrix(every, vocabulary(every)), times)
        for index in chosen:
            design.take(index)
        return design.extend(self.budget - len(chosen), nearness(times, self.budget_ms))

    def _measure(
        self, chosen: Sequence[int], protocol: Protocol, sessions: list[Session], before: int
    ) -> Iterator[Progress]:
        """Measure the chosen necks in sessions of at most `SITTING`, appended to `sessions`."""
        for start in range(0, len(chosen), SITTING):
            architectures = [self.pool[index] for index in chosen[start : start + SITTING]]
            events = measure(
                self.device, architectures, image_size=self.image_size, batch=self.batch, protocol=protocol
            )
            elapsed_s = sum(session.elapsed_s for session in sessions)
            for event in events:
                if isinstance(event, Session):
                    sessions.append(event)
                    continue
                share = 0.0 if event.stage == "prepare" else event.done / max(1, event.total)
                done = before + start + round(share * len(architectures))
                yield Progress("measure", done, min(self.budget, len(self.pool)), elapsed_s + event.elapsed_s)

    def _fit(
        self,
        every: Sequence[Totals],
        chosen: Sequence[int],
        sessions: Sequence[Session],
        typical: Sequence[bool],
    ) -> Predictor:
        measured = [entry.latency_ms for session in sessions for entry in session.measured]
        fitted = fit_from(
            self.prior,
            [every[index] for index in chosen],
            measured,
            fingerprint=sessions[0].fingerprint,
            lowering=self.device.lowering,
            typical=typical,
        )
        return replace(fitted, reference_ms=min(session.reference_ms for session in sessions))


def designed(budget: int) -> int:
    """Return how many necks of a budget are chosen by D-optimality."""
    return min(DESIGNED, budget // 2)


def expected_times(every: Sequence[Totals], runtime: str) -> Floats:
    """Return a guess of relative times before anything is measured: a kernel costs like 4 MMACs or 0.5 MB."""
    return np.asarray(overall(every, runtime) @ np.array([1.0, 0.25, 2.0, 1.0]))


def finished(events: Iterator[Any]) -> Calibration:
    """Return the calibration that the events end with."""
    *_, last = events
    assert isinstance(last, Calibration), last
    return last
