"""A device on another machine, measured by the agent that runs there."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar, Protocol

from evaluators.latency.device import Elsewhere
from evaluators.latency.errors import DeviceUnavailable, NotOnDevice
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.leases import (
    REFERENCE,
    BatchRequest,
    Model,
    fingerprint_of,
    lowering_of,
)
from evaluators.latency.lowering import Lowering
from evaluators.latency.probes import PROBE_IMAGE, reference, sentinels
from evaluators.latency.session import Progress, Session
from evaluators.latency.session import Protocol as Measuring
from search_space.architecture import Architecture
from search_space.op import Size
from supernet.errors import ExportError
from supernet.export.onnx import random_tensors, write

MOST_NECKS = 50
"""Necks of one batch; more are measured in several sessions."""


class Exchange(Protocol):
    """How batches reach an agent and sessions come back: the service's tables, or a test's fake."""

    def description(self) -> Mapping[str, Any] | None:
        """Return what the device's agent says of its machine; None while none has enrolled."""

    def store(self, content: bytes, name: str) -> None:
        """Keep a blob under its SHA-256 until the batch is done."""

    def run(self, request: BatchRequest) -> Iterator[Progress | Session]:
        """Yield progress while the batch waits and runs, then its session."""


class Remote(Elsewhere):
    """ONNX Runtime, or another runner, wherever an agent was started."""

    name: ClassVar[str] = "remote"

    def __init__(
        self, threads: int = 1, exchange: Exchange | None = None, provider: str = "CPUExecutionProvider"
    ) -> None:
        """Raise `DeviceUnavailable` without an exchange, or while no agent has enrolled."""
        super().__init__(threads)
        described = exchange.description() if exchange is not None else None
        if exchange is None or described is None:
            raise DeviceUnavailable("remote: no agent has enrolled for this device; start one there first")
        self._exchange, self._description, self._provider = exchange, described, provider

    @property
    def lowering(self) -> Lowering:
        """What ONNX Runtime makes of a neck on the agent's processor."""
        return lowering_of(self._description)

    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        """Return what a measurement there is valid for."""
        return fingerprint_of(
            self._description, provider=self._provider, threads=self.threads, batch=batch, image=image_size
        )

    def measure(
        self, architectures: Sequence[Architecture], *, image_size: Size, batch: int, protocol: Measuring
    ) -> Iterator[Progress | Session]:
        """Yield progress and, last, the session that the agent measured.

        Raises:
            NotOnDevice: an operation that cannot be written as ONNX, or more necks than one batch holds.
        """
        if len(architectures) > MOST_NECKS:
            raise NotOnDevice(
                f"remote: {len(architectures)} necks; one session measures at most {MOST_NECKS}"
            )
        models = []
        for index, entry in enumerate(architectures):
            models.append(self._model(index, entry, image_size, batch))
            yield Progress("prepare", index + 1, len(architectures), 0.0)
        yield from self._exchange.run(self._request(models, image_size, batch, protocol))

    def _request(
        self, necks: Sequence[Model], image_size: Size, batch: int, protocol: Measuring
    ) -> BatchRequest:
        probes = [self._model(REFERENCE, reference(), PROBE_IMAGE, 1)]
        probes += [self._model(-i, entry, PROBE_IMAGE, 1) for i, entry in enumerate(sentinels(), 1)]
        return BatchRequest(
            (*probes, *necks),
            image_size,
            batch,
            self.threads,
            self._provider,
            protocol.visits,
            protocol.runs,
            seed=protocol.seed,
        )

    def _model(self, item: int, architecture: Architecture, image_size: Size, batch: int) -> Model:
        try:
            content = write(architecture, random_tensors())
        except ExportError as error:
            raise NotOnDevice(f"remote: {error}") from error
        name = sha256(content).hexdigest()
        self._exchange.store(content, name)
        shapes = architecture.shapes(image_size)
        inputs = {entry.id: (batch, *shapes[entry.id]) for entry in architecture.inputs}
        extents = {"batch": batch}
        for entry in architecture.inputs:
            extents |= {
                f"height_{entry.level}": inputs[entry.id][2],
                f"width_{entry.level}": inputs[entry.id][3],
            }
        return Model(item, name, inputs, extents)
