"""The measuring protocol: short visits to each neck in random order, over time, beside a reference net.

One look at a neck is off by 8 % typically and by 88 % at worst on a shared machine, since slow phases last
for seconds. So each neck is visited many times, the others in between; `samples` makes a label of them.
"""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from evaluators.latency.device import Device, Elsewhere, Runnable
from evaluators.latency.errors import LatencyError
from evaluators.latency.probes import PROBE_IMAGE, reference, sentinels
from evaluators.latency.samples import Measurement, Visit, measurements, reference_level
from evaluators.latency.session import Progress, Protocol, Session
from evaluators.score import Score
from search_space.architecture import Architecture
from search_space.op import Size

__all__ = ["Progress", "Protocol", "Session", "finished", "load_average", "measure", "scores"]

LEAST_VISITS = 4
"""Visits that every neck gets even when time has run out."""


@dataclass
class _Bench:
    """The nets of one session, ready to be timed."""

    protocol: Protocol
    device: Device
    reference: Runnable
    nets: Mapping[int, Runnable]
    visits: list[Visit] = field(default_factory=list)
    start_s: float = 0.0

    def visit(self, item: int) -> None:
        beside, waited = self._times(self.reference)
        at_s = self.device.clock() - self.start_s
        runs, waits = self._times(self.nets[item])
        self.visits.append(Visit(item, at_s, runs, beside, waits, waited))

    def _times(self, run: Runnable) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return raw times in ms and, where the device can tell, the waits for a core in them."""
        clock, busy = self.device.clock, self.device.busy
        run()
        times, waits = [], []
        for _ in range(self.protocol.runs):
            held, begin = busy(), clock()
            run()
            passed, still = clock() - begin, busy()
            times.append(passed * 1e3)
            if held is not None and still is not None:
                waits.append(min(max(0.0, passed - (still - held)), 0.999 * passed) * 1e3)
        return tuple(times), tuple(waits)

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
    if isinstance(device, Elsewhere):
        yield from device.measure(architectures, image_size=image_size, batch=batch, protocol=protocol)
        return
    start_s = clock()
    probes = [device.prepare(probe, PROBE_IMAGE) for probe in (reference(), *sentinels())]
    nets: dict[int, Runnable] = {-index: run for index, run in enumerate(probes) if index}
    for index, entry in enumerate(architectures):
        nets[index] = device.prepare(entry, image_size, batch)
        yield Progress("prepare", index + 1, len(architectures), clock() - start_s)
    bench = _Bench(protocol, device, probes[0], nets, start_s=clock())
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
        late = bench.device.clock() - bench.start_s > protocol.seconds
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


def finished(events: Iterator[Progress | Session]) -> Session:
    """Return the session that a measurement ends with, its progress passed over.

    Raises:
        LatencyError: it ended without one.
    """
    for event in events:
        if isinstance(event, Session):
            return event
    raise LatencyError("the measurement ended without a session")
