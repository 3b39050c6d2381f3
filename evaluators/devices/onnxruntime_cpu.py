"""ONNX Runtime's CPU provider on this machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import onnxruntime

from evaluators.latency.affinity import on_quiet_cores
from evaluators.latency.device import Device, Runnable
from evaluators.latency.errors import NotOnDevice, ProviderFellBack
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.hardware import layout_block, processor
from evaluators.latency.lowering import Lowering
from search_space.architecture import Architecture
from search_space.op import Size
from supernet.errors import ExportError
from supernet.export.onnx import image_inputs, random_tensors, write

PROVIDER = "CPUExecutionProvider"


class OnnxRuntimeCpu(Device):
    """The model as a user would load it: all optimisations, sizes fixed, spinning off."""

    name: ClassVar[str] = "onnxruntime_cpu"

    @property
    def lowering(self) -> Lowering:
        """What the runtime makes of a neck on this processor."""
        return Lowering("onnxruntime", layout_block())

    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        """Return one inference with random weights.

        Raises:
            NotOnDevice: an operation that cannot be written as ONNX.
            ProviderFellBack: the runtime chose another provider.
        """
        try:
            model = write(architecture, random_tensors())
        except ExportError as error:
            raise NotOnDevice(f"{self.name}: {error}") from error
        features = image_inputs(architecture, image_size, batch)
        options = session_options(self.threads)
        for entry in architecture.inputs:
            extents = dict(
                zip((0, 2, 3), ("batch", f"height_{entry.level}", f"width_{entry.level}"), strict=True)
            )
            for axis, name in extents.items():
                options.add_free_dimension_override_by_name(name, features[entry.id].shape[axis])
        session = onnxruntime.InferenceSession(model, options, providers=[PROVIDER])
        if session.get_providers()[0] != PROVIDER:
            raise ProviderFellBack(f"asked for {PROVIDER}, runs on {session.get_providers()[0]}")
        return lambda: session.run(None, features)

    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        """Return what a measurement here is valid for."""
        version = onnxruntime.__version__
        return Fingerprint(
            self.name, processor(), "onnxruntime", version, self.threads, "float32", batch, image_size
        )

    def busy(self) -> float | None:
        """Return seconds that this thread has held a core; None with several threads."""
        return time.thread_time() if self.threads == 1 else None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Stay on the quietest cores."""
        with on_quiet_cores(self.threads):
            yield


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return options of one inference at a time on `threads` threads that sleep while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
