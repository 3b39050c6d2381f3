"""Peak activation memory: what a neck must hold at once, measured on Linux and predicted by the same fit."""

import ctypes
import gc
from collections.abc import Collection, Iterator, Sequence
from math import prod
from pathlib import Path

import numpy as np

from evaluators.latency.device import Device
from evaluators.latency.errors import DeviceUnavailable
from evaluators.latency.expansion import Program, expand
from evaluators.latency.features import MEGA, Totals
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.kernels import FLOAT_BYTES
from evaluators.latency.lowering import Lowering
from evaluators.latency.memory_torch import held_by_module
from evaluators.latency.predictor import Predictor, fit_totals
from evaluators.latency.session import Progress
from evaluators.score import Score
from search_space.architecture import Architecture
from search_space.op import Size

METRIC = "peak_activation_mb"
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def held_bytes(program: Program, batch: int = 1) -> tuple[int, int]:
    """Return the peak of values that are still to be read, and the sum of all values, in bytes.

    The inputs are not counted: they belong to the backbone.
    """
    last = {value: len(program.works) for value in program.outputs}
    for index, work in enumerate(program.works):
        for value in work.inputs:
            last[value] = max(index, last.get(value, index))
    given, live, peak, total = set(program.inputs), 0, 0, 0
    sizes = {work.output: _size(program, work.output, batch) for work in program.works}
    for index, work in enumerate(program.works):
        live += sizes[work.output]
        total += sizes[work.output]
        peak = max(peak, live)
        read = set(work.inputs) - given
        live -= sum(sizes[value] for value in read if last[value] == index)
    return peak, total


def _size(program: Program, value: int, batch: int) -> int:
    return batch * prod(program.shapes[value]) * FLOAT_BYTES


def memory_totals(
    architecture: Architecture, image_size: Size, batch: int = 1, lowering: Lowering | None = None
) -> Totals:
    """Return what memory grows by: the peak of what is held, and all values (for runtimes that keep them).

    What is held is that of a torch module for torch on a processor, else the values still to be read.
    """
    program = expand(architecture, image_size)
    peak, total = held_bytes(program, batch)
    if lowering is not None and lowering.runtime == "torch" and lowering.threads:
        peak = held_by_module(program, batch, lowering.threads)
    return {"live": (0.0, peak * MEGA, 0.0), "made": (0.0, total * MEGA, 0.0)}


def measure_peak_mb(device: Device, architecture: Architecture, image_size: Size, batch: int = 1) -> float:
    """Return by how many megabytes the first inference raises this process's resident memory at its peak.

    Raises:
        DeviceUnavailable: the system does not tell, or the device keeps its memory elsewhere.
    """
    if not _CLEAR.exists() or device.name == "cuda":
        raise DeviceUnavailable(
            f"{device.name}: peak memory can be measured on this Linux machine's CPU only"
        )
    run = device.prepare(architecture, image_size, batch)
    gc.collect()
    _return_free_pages()
    _CLEAR.write_text(_RESET_PEAK)
    before = _status_kb("VmRSS")
    run()
    return max(0.0, (_status_kb("VmHWM") - before) * 1024 * MEGA)


def _return_free_pages() -> None:
    """Hand free heap pages back to the system, so that using them again shows as growth."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _status_kb(field: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def calibrate_memory(
    device: Device, architectures: Sequence[Architecture], image_size: Size, batch: int = 1
) -> "Iterator[Progress | MemoryPredictor]":
    """Yield progress and, last, the predictor of peak activation memory on a device.

    Raises:
        DeviceUnavailable: see `measure_peak_mb`.
        TooFewSamples: fewer than 10 necks.
    """
    measured = []
    for index, entry in enumerate(architectures):
        # the lower of two: what a first inference makes once for all is no neck's
        measured.append(min(measure_peak_mb(device, entry, image_size, batch) for _ in range(2)))
        yield Progress("memory", index + 1, len(architectures), 0.0)
    every = [memory_totals(entry, image_size, batch, device.lowering) for entry in architectures]
    yield MemoryPredictor.fit(every, measured, device.fingerprint(image_size, batch), device.lowering)


class MemoryPredictor:
    """Predicts `peak_activation_mb` as a base, a part of the live peak and perhaps one of everything made."""

    def __init__(self, coefficients: Predictor) -> None:
        self.coefficients = coefficients

    @staticmethod
    def fit(
        every: Sequence[Totals], measured_mb: Sequence[float], fingerprint: Fingerprint, lowering: Lowering
    ) -> "MemoryPredictor":
        """Return the predictor fitted to measured peaks in megabytes; a page at least is assumed.

        It grows by everything made only where that lowers the error on necks left out.
        """
        page_mb = 0.004096
        values = [max(page_mb, value) for value in measured_mb]
        fits = [
            fit_totals(part, values, fingerprint=fingerprint, lowering=lowering, metric=METRIC, unit="MB")
            for part in ([_only(("live",), entry) for entry in every], every)
        ]
        return min(map(MemoryPredictor, fits), key=lambda fitted: fitted.median_error)

    def predict(self, architecture: Architecture) -> Score:
        """Return the predicted peak in megabytes."""
        fingerprint = self.coefficients.fingerprint
        lowering = self.coefficients.lowering
        entry = memory_totals(architecture, fingerprint.image, fingerprint.batch, lowering)
        return self.coefficients.score(_only(self.coefficients.rates, entry))

    @property
    def median_error(self) -> float:
        """Median relative error of necks that the fit did not see."""
        return float(np.median(np.abs(np.expm1(-np.array(self.coefficients.residuals.log_error)))))

    def rows(self) -> list[tuple[str, str]]:
        """Return what a table shows: names and formatted values."""
        errors = np.abs(np.expm1(-np.array(self.coefficients.residuals.log_error)))
        return [
            ("peak memory, median error", f"{self.median_error:.1%}"),
            ("peak memory within 10 %", f"{(errors < 0.1).mean():.0%}"),
        ]

    def to_json(self) -> str:
        """Return the coefficients as JSON."""
        return self.coefficients.to_json()

    @staticmethod
    def from_json(text: str) -> "MemoryPredictor":
        """Return the predictor of `to_json`."""
        return MemoryPredictor(Predictor.from_json(text))


def _only(kinds: Collection[str], entry: Totals) -> Totals:
    return {kind: values for kind, values in entry.items() if kind in kinds}
