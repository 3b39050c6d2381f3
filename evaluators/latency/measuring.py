"""The measuring protocol: short visits to each neck in random order, over time, beside a reference net.

One look at a neck is off by 8 % typically and by 88 % at worst on a shared machine, since slow phases last
for seconds. So each neck is visited many times, the others in between; `samples` makes a label of them.
"""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from evaluators.latency.device import Device, Fingerprint, Runnable
from evaluators.latency.errors import DriftedSession, LatencyError
from evaluators.latency.probes import PROBE_IMAGE, reference, sentinels
from evaluators.latency.samples import Measurement, Visit, measurements, noise_floor, reference_level
from evaluators.score import Score
from search_space.architecture import Architecture
from search_space.op import Size

MAXIMUM_DRIFT = 0.05
"""Relative difference of a sentinel's label between two sessions above which they are not put together."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Protocol:
    """How a session measures.

    Attributes:
        visits: visits of each neck before any may be left out as settled.
        most_visits: visits after which a neck that has not settled is flagged instead.
        runs: timed runs of one visit, after one that warms up.
        tolerance: relative half-width of the label's 90 % interval at which a neck has settled.
        seconds: time after which no further round begins, however many visits are missing beyond 4.
        seed: of the order.
    """

    visits: int = 10
    most_visits: int = 20
    runs: int = 3
    tolerance: float = 0.03
    seconds: float = float("inf")
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.visits <= self.most_visits or self.runs < 1:
            raise ValueError(f"a protocol needs 1 <= visits <= most_visits and runs >= 1, got {self}")


LEAST_VISITS = 4
"""Visits that every neck gets even when time has run out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session or a calibration is: `done` of about `total` steps of `stage`."""

    stage: str
    done: int
    total: int
    elapsed_s: float


@dataclass(frozen=True)
class Session:
    """Measurements made in one sitting, with all raw samples.

    Attributes:
        fingerprint: of the device.
        measured: by position in the list of necks.
        sentinels: the fixed nets that every session measures.
        reference_ms: the undisturbed reference time by which labels became milliseconds.
        elapsed_s: how long it took.
        load: the machine's load average at the end; nan where unknown.
    """

    fingerprint: Fingerprint
    measured: tuple[Measurement, ...]
    sentinels: tuple[Measurement, ...] = ()
    reference_ms: float = 1.0
    elapsed_s: float = 0.0
    load: float = float("nan")

    @property
    def noise_floor(self) -> float:
        """Median relative disagreement of two halves of the samples; no error below it can be claimed."""
        return noise_floor(dict(enumerate((*self.measured, *self.sentinels))))

    def at_reference(self, reference_ms: float) -> "Session":
        """Return the session with its labels as they would be at another reference time; raw samples stay."""
        factor = reference_ms / self.reference_ms
        measured, sentinels = (
            tuple(_rescaled(entry, factor) for entry in group) for group in (self.measured, self.sentinels)
        )
        return replace(self, measured=measured, sentinels=sentinels, reference_ms=reference_ms)


def _rescaled(measured: Measurement, factor: float) -> Measurement:
    return replace(measured, latency_ms=measured.latency_ms * factor, stderr_ms=measured.stderr_ms * factor)


@dataclass
class _Bench:
    """The nets of one session, ready to be timed."""

    protocol: Protocol
    clock: Clock
    reference: Runnable
    nets: Mapping[int, Runnable]
    visits: list[Visit] = field(default_factory=list)
    start_s: float = 0.0

    def visit(self, item: int) -> None:
        beside = self._times(self.reference)
        at_s = self.clock() - self.start_s
        self.visits.append(Visit(item, at_s, self._times(self.nets[item]), beside))

    def _times(self, run: Runnable) -> tuple[float, ...]:
        run()
        times = []
        for _ in range(self.protocol.runs):
            begin = self.clock()
            run()
            times.append((self.clock() - begin) * 1e3)
        return tuple(times)

    def unsettled(self) -> set[int]:
        found = measurements(self.visits, tolerance=self.protocol.tolerance)
        return {item for item, measured in found.items() if not measured.settled}


def measure(
    device: Device,
    architectures: Sequence[Architecture],
    *,
    image_size: Size,
    batch: int = 1,
    protocol: Protocol | None = None,
) -> Iterator[Progress | Session]:
    """Yield progress and, last, the session that measured `architectures`, in their order.

    Raises:
        NotOnDevice: an operation that the device's runtime cannot run.
        DeviceUnavailable: the device is not on this machine.
    """
    protocol, clock = protocol or Protocol(), device.clock
    start_s = clock()
    probes = [device.prepare(probe, PROBE_IMAGE) for probe in (reference(), *sentinels())]
    nets: dict[int, Runnable] = {-index: run for index, run in enumerate(probes) if index}
    for index, entry in enumerate(architectures):
        nets[index] = device.prepare(entry, image_size, batch)
        yield Progress("prepare", index + 1, len(architectures), clock() - start_s)
    bench = _Bench(protocol, clock, probes[0], nets, start_s=clock())
    for done, total in _rounds(bench, device):
        yield Progress("measure", done, total, clock() - start_s)
    found = measurements(bench.visits, tolerance=protocol.tolerance)
    yield Session(
        device.fingerprint(image_size, batch),
        tuple(found[index] for index in range(len(architectures))),
        tuple(found[item] for item in sorted(found, reverse=True) if item < 0),
        reference_level(bench.visits),
        clock() - start_s,
        load_average(),
    )


def _rounds(bench: _Bench, device: Device) -> Iterator[tuple[int, int]]:
    protocol = bench.protocol
    rng = np.random.default_rng(protocol.seed)
    waiting = set(bench.nets)
    for number in range(1, protocol.most_visits + 1):
        late = bench.clock() - bench.start_s > protocol.seconds
        if not waiting or (late and number > min(LEAST_VISITS, protocol.visits)):
            return
        with device.quiet(), collector_off():
            for item in rng.permutation(sorted([*waiting, *(item for item in bench.nets if item < 0)])):
                bench.visit(int(item))
        if number >= protocol.visits:
            waiting = {item for item in waiting & bench.unsettled() if item >= 0}
        yield number, max(protocol.visits, number)


@contextmanager
def collector_off() -> Iterator[None]:
    """Keep Python's garbage collector from running inside."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def load_average() -> float:
    """Return the machine's load over the last minute; nan where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def scores(measured: Measurement) -> tuple[Score, ...]:
    """Return the label with its standard error, and the quantiles of the raw runs."""
    error = measured.stderr_ms if np.isfinite(measured.stderr_ms) else None
    return (
        Score("latency_ms", measured.latency_ms, "ms", "measured", error),
        Score("latency_p50_ms", measured.p50_ms, "ms", "measured"),
        Score("latency_p90_ms", measured.p90_ms, "ms", "measured"),
    )


def joined(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Return sessions that may be put together, all labels at the lowest of their reference times.

    Raises:
        DriftedSession: see `require_steady`.
    """
    reference_ms = min(session.reference_ms for session in sessions)
    aligned = tuple(session.at_reference(reference_ms) for session in sessions)
    for session in aligned[1:]:
        require_steady(aligned[0], session)
    return aligned


def require_steady(first: Session, second: Session, *, maximum: float = MAXIMUM_DRIFT) -> None:
    """Check that two sessions may be put together.

    Raises:
        DriftedSession: their devices differ, or a sentinel moved by more than `maximum`; says by how much.
    """
    differing = first.fingerprint.differences(second.fingerprint)
    if differing:
        raise DriftedSession(f"sessions of different devices cannot be put together: {differing}")
    if len(first.sentinels) != len(second.sentinels) or not first.sentinels:
        raise DriftedSession("a session without the same sentinels cannot be compared")
    for index, (before, after) in enumerate(zip(first.sentinels, second.sentinels, strict=True)):
        change = after.latency_ms / before.latency_ms - 1
        if abs(change) > maximum:
            raise DriftedSession(
                f"sentinel {index + 1} moved by {change:+.1%} (at most {maximum:.0%} is allowed): "
                f"{before.latency_ms:.3f} ms, then {after.latency_ms:.3f} ms; measure again when it is idle"
            )


def finished(events: Iterator[Progress | Session]) -> Session:
    """Return the session that a measurement ends with, its progress passed over.

    Raises:
        LatencyError: it ended without one.
    """
    for event in events:
        if isinstance(event, Session):
            return event
    raise LatencyError("the measurement ended without a session")
