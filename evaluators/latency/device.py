"""What a device is: it prepares a neck to be run, lowers it to its own kernels, and says what it is."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import ClassVar

from evaluators.latency.kernels import LOWERING_VERSION, Kernel
from evaluators.latency.lowering import Lowering
from search_space.architecture import Architecture
from search_space.op import Size

Runnable = Callable[[], object]
"""One inference from fixed inputs; returns when the result is there."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that changes what a measurement means.

    Attributes:
        device: the plug-in's name.
        hardware: the processor's or accelerator's own name.
        runtime: what runs the neck, and `version` its version.
        threads: threads of one inference.
        precision: of weights and features.
        batch: images of one inference.
        image: height and width in pixels; a predictor holds for one image size.
        lowering: version of the kernel lists that the features come from.
    """

    device: str
    hardware: str
    runtime: str
    version: str
    threads: int
    precision: str
    batch: int
    image: Size
    lowering: int = LOWERING_VERSION

    @property
    def key(self) -> str:
        """A digest equal for measurements that may be put together."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: "Fingerprint") -> dict[str, tuple[object, object]]:
        """Return what differs by name: (mine, other's)."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


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

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the device still while it is measured: threads, affinity, clocks; undone at the end."""
        yield
