"""Torch in eager mode on this machine's processor."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch

from evaluators.latency.affinity import on_quiet_cores
from evaluators.latency.device import Device, Runnable
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.hardware import processor
from evaluators.latency.lowering import Lowering
from search_space.architecture import Architecture
from search_space.op import Size
from supernet.subnet import Subnet


class TorchCpu(Device):
    """The finished neck as an ordinary module under `torch.inference_mode`."""

    name: ClassVar[str] = "torch_cpu"

    @property
    def lowering(self) -> Lowering:
        """One kernel for each operation, convolutions by oneDNN or torch's own."""
        return Lowering("torch", threads=self.threads)

    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        """Return one inference with random weights."""
        return torch_runnable(architecture, image_size, batch, torch.device("cpu"))

    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        """Return what a measurement here is valid for."""
        return Fingerprint(
            self.name,
            processor(),
            "torch",
            torch.__version__,
            self.threads,
            "float32",
            batch,
            image_size,
        )

    def busy(self) -> float | None:
        """Return seconds that this thread has held a core; None with several threads."""
        return time.thread_time() if self.threads == 1 else None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the number of threads, on the quietest cores."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with on_quiet_cores(self.threads):
                yield
        finally:
            torch.set_num_threads(before)


def torch_runnable(architecture: Architecture, image_size: Size, batch: int, where: torch.device) -> Runnable:
    """Return one inference of a neck with random weights and features on `where`."""
    shapes = architecture.shapes(image_size)
    subnet = Subnet(architecture).eval().to(where)
    features = {
        entry.level: torch.randn(batch, *shapes[entry.id], device=where) for entry in architecture.inputs
    }

    def run() -> object:
        with torch.inference_mode():
            return subnet(features)

    return run
