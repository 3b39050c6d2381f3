"""What a device is: it prepares a neck to be run, lowers it to its own kernels, and says what it is."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from evaluators.latency.errors import NotOnDevice
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.kernels import Kernel
from evaluators.latency.lowering import Lowering
from evaluators.latency.session import Progress, Protocol, Session
from search_space.architecture import Architecture
from search_space.op import Size

Runnable = Callable[[], object]
"""One inference from fixed inputs; returns when the result is there."""


class Device(ABC):
    """A runtime on a processor. Subclasses live one a file under `evaluators/devices`."""

    name: ClassVar[str]

    def __init__(self, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"{self.name}: threads must be at least 1, got {threads}")
        self.threads = threads

    @abstractmethod
    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        """Return one inference of the neck with random weights, ready to be timed.

        Raises:
            NotOnDevice: an operation that the runtime cannot run.
            DeviceUnavailable: the device is not on this machine.
        """

    @abstractmethod
    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        """Return what a measurement on this device is valid for."""

    @property
    @abstractmethod
    def lowering(self) -> Lowering:
        """How the runtime turns an architecture into kernels."""

    def lower(self, architecture: Architecture, image_size: Size, batch: int = 1) -> tuple[Kernel, ...]:
        """Return the kernels that the runtime really runs, from the architecture alone."""
        return self.lowering.kernels(architecture, image_size, batch)

    def clock(self) -> float:
        """Return seconds from a fixed moment, by which inferences are timed."""
        return time.perf_counter()

    def busy(self) -> float | None:
        """Return seconds that this thread has held a core; None where inferences run elsewhere too."""
        return None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the device still while it is measured: threads, affinity, clocks; undone at the end."""
        yield


class Elsewhere(Device):
    """A device that measures by itself on another machine, a whole session at a time."""

    @abstractmethod
    def measure(
        self, architectures: Sequence[Architecture], *, image_size: Size, batch: int, protocol: Protocol
    ) -> Iterator[Progress | Session]:
        """Yield progress and, last, the session; see `measuring.measure`."""

    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        """Raise `NotOnDevice`: a single inference elsewhere cannot be timed from here."""
        raise NotOnDevice(f"{self.name}: necks run on another machine, a session at a time; use measure()")
