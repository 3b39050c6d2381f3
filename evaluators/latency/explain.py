"""What a neck's time is spent on: its kernels with their share, as the predictor sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.latency.features import MEGA
from evaluators.latency.kernels import Kernel
from evaluators.latency.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Share:
    """One kernel and its part of the predicted time."""

    kernel: Kernel
    time_ms: float
    share: float
    measured: bool
    """Whether this class of kernels was measured; if not, its time is a roofline's."""


def shares(predictor: Predictor, kernels: Sequence[Kernel]) -> list[Share]:
    """Return each kernel's predicted time and its share of the whole, in the order of execution.

    What every inference costs, `predictor.base`, belongs to no kernel.
    """
    times = [kernel_ms(predictor, kernel) for kernel in kernels]
    total = sum(times) + predictor.base
    return [
        Share(kernel, time_ms, time_ms / total, kernel.kind in predictor.rates)
        for kernel, time_ms in zip(kernels, times, strict=True)
    ]


def kernel_ms(predictor: Predictor, kernel: Kernel) -> float:
    """Return the predicted time of one kernel."""
    amounts = (kernel.macs * MEGA, kernel.bytes * MEGA, 1.0)
    rates = predictor.rates_of(kernel.kind)
    macs, moved, count = (amount * rate for amount, rate in zip(amounts, rates, strict=True))
    return (macs + moved if kernel.kind in predictor.rates else max(macs, moved)) + count
