"""Torch on this machine's first NVIDIA GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch

from evaluators.devices.torch_cpu import torch_runnable
from evaluators.latency.device import Device, Runnable
from evaluators.latency.errors import DeviceUnavailable
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.lowering import Lowering
from search_space.architecture import Architecture
from search_space.op import Size


class Cuda(Device):
    """The finished neck in eager mode; an inference ends when the GPU has finished."""

    name: ClassVar[str] = "cuda"

    def __init__(self, threads: int = 1) -> None:
        """Raise `DeviceUnavailable` where torch finds no GPU."""
        super().__init__(threads)
        if not torch.cuda.is_available():
            raise DeviceUnavailable("cuda: torch finds no GPU here; use torch_cpu or onnxruntime_cpu")

    @property
    def lowering(self) -> Lowering:
        """One kernel for each operation."""
        return Lowering("torch")

    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        """Return one inference with random weights, the features already on the GPU."""
        run = torch_runnable(architecture, image_size, batch, torch.device("cuda"))

        def synchronised() -> object:
            outputs = run()
            torch.cuda.synchronize()
            return outputs

        return synchronised

    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        """Return what a measurement here is valid for."""
        version = f"{torch.__version__}+cuda{torch.version.cuda}"
        name = torch.cuda.get_device_name()
        return Fingerprint(self.name, name, "torch", version, self.threads, "float32", batch, image_size)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep cuDNN's choice of algorithms fixed and TF32 off, as float32 says."""
        before = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = False, False
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before
