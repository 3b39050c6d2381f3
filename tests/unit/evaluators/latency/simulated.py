"""A device that takes no time: its clock advances by a known law, disturbed as a shared machine is."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from evaluators.latency.device import Device, Runnable
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.lowering import Lowering
from search_space.architecture import Architecture
from search_space.op import Size

CHANNELS = {3: 32, 4: 48, 5: 64}
IMAGE: Size = (128, 128)


class Simulated(Device):
    """Times follow `rates` (ms a megaMAC, a megabyte, a kernel); noise and slow phases are added by seed."""

    name: ClassVar[str] = "simulated"

    def __init__(
        self,
        noise: float = 0.02,
        slow: float = 1.3,
        seed: int = 0,
        rates: Mapping[str, tuple[float, float, float]] | None = None,
        speed: float = 1.0,
    ) -> None:
        super().__init__(1)
        self.noise, self.slow, self.rng = noise, slow, np.random.default_rng(seed)
        self.rates = rates or {"conv_dense": (0.02, 0.01, 0.01), "conv_depthwise": (0.1, 0.05, 0.01)}
        self.speed, self.now_s = speed, 0.0

    @property
    def lowering(self) -> Lowering:
        return Lowering("torch")

    def truth_ms(self, architecture: Architecture, image_size: Size = IMAGE, batch: int = 1) -> float:
        """Return the undisturbed time."""
        total = 0.05
        for kernel in self.lower(architecture, image_size, batch):
            macs, moved, count = self.rates.get(kernel.kind, (0.03, 0.02, 0.005))
            total += kernel.macs * 1e-6 * macs + kernel.bytes * 1e-6 * moved + count
        return total * self.speed

    def prepare(self, architecture: Architecture, image_size: Size, batch: int = 1) -> Runnable:
        truth = self.truth_ms(architecture, image_size, batch)

        def run() -> object:
            phase = self.slow if int(self.now_s / 0.5) % 3 == 2 else 1.0
            self.now_s += truth * phase * (1 + self.noise * self.rng.exponential()) * 1e-3
            return None

        return run

    def fingerprint(self, image_size: Size, batch: int = 1) -> Fingerprint:
        return Fingerprint(self.name, "none", "simulation", "1", 1, "float32", batch, image_size)

    def clock(self) -> float:
        return self.now_s
