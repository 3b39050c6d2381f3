"""A latency to publish by MLPerf Mobile's rules (Janapa Reddi et al. 2022): single stream, p90."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from evaluators.latency.device import Device, Runnable
from evaluators.latency.errors import InvalidSample
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.measuring import collector_off
from evaluators.latency.session import Progress
from search_space.architecture import Architecture
from search_space.op import Size

LEAST_SAMPLES = 1024
LEAST_SECONDS = 60.0
REPRODUCIBLE = 0.05
"""Largest relative difference of the 90th percentiles of two runs."""
_BLOCK = 64


@dataclass(frozen=True)
class Report:
    """Two runs in a row, one query after another, batch 1.

    Attributes:
        p90_ms: the number to publish: the larger of both runs' 90th percentiles.
        p50_ms, mean_ms: of both runs together.
        samples, seconds: of each run.
        difference: relative, between the runs' 90th percentiles.
        fingerprint: of the device.
    """

    p90_ms: float
    p50_ms: float
    mean_ms: float
    samples: tuple[int, ...]
    seconds: tuple[float, ...]
    difference: float
    fingerprint: Fingerprint

    @property
    def reproducible(self) -> bool:
        """Whether the runs agree within 5 %; a report that does not is not to be published."""
        return self.difference <= REPRODUCIBLE

    def to_record(self) -> dict[str, object]:
        """Return the report as JSON-ready values."""
        return {**asdict(self), "reproducible": self.reproducible}


def report(
    device: Device,
    architecture: Architecture,
    *,
    image_size: Size,
    least_samples: int = LEAST_SAMPLES,
    least_seconds: float = LEAST_SECONDS,
) -> Iterator[Progress | Report]:
    """Yield progress and, last, the report of two runs; the defaults are the rules'.

    Raises:
        NotOnDevice, DeviceUnavailable: see the device.
    """
    run = device.prepare(architecture, image_size, 1)
    times: list[list[float]] = []
    for number in range(2):
        times.append([])
        for share in _run(device, run, times[-1], least_samples, least_seconds):
            yield Progress("report", round(50 * (number + share)), 100, sum(map(sum, times)) * 1e-3)
    tails = [float(np.quantile(one, 0.9)) for one in times]
    both = np.concatenate(times)
    yield Report(
        max(tails),
        float(np.median(both)),
        float(both.mean()),
        tuple(map(len, times)),
        tuple(sum(one) * 1e-3 for one in times),
        max(tails) / min(tails) - 1,
        device.fingerprint(image_size, 1),
    )


def _run(
    device: Device, run: Runnable, times: list[float], least_samples: int, least_seconds: float
) -> Iterator[float]:
    """Fill `times` in ms and yield how much of the run is done."""
    total_s = 0.0
    run()
    while len(times) < least_samples or total_s < least_seconds:
        with device.quiet(), collector_off():
            for _ in range(_BLOCK):
                begin = device.clock()
                run()
                passed_s = device.clock() - begin
                if not passed_s > 0:
                    raise InvalidSample(f"run {len(times)}: a time must be positive, got {passed_s}")
                total_s += passed_s
                times.append(passed_s * 1e3)
        yield min(1.0, len(times) / least_samples, total_s / max(least_seconds, 1e-9))
