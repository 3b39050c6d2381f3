"""Kernel lists as vectors: for each class of kernels its MACs, its bytes and its count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.latency.kernels import Kernel
from evaluators.latency.proportions import proportions

Floats = NDArray[np.float64]
PER_CLASS = 3
"""MACs (millions), bytes (millions), count."""
MEGA = 1e-6

Totals = Mapping[str, tuple[float, float, float]]
"""(megaMACs, megabytes, count) by class."""


def totals(kernels: Sequence[Kernel]) -> dict[str, tuple[float, float, float]]:
    """Return what the kernels of each class compute, move and number."""
    found: dict[str, tuple[float, float, float]] = {}
    for kernel in kernels:
        macs, moved, count = found.get(kernel.kind, (0.0, 0.0, 0.0))
        found[kernel.kind] = (macs + kernel.macs * MEGA, moved + kernel.bytes * MEGA, count + 1)
    return found


@dataclass(frozen=True)
class Lowered:
    """Many necks as one matrix, ready for a vectorised prediction.

    Attributes:
        amounts: (necks, 1 + 3 * classes), see `matrix`.
        classes: the classes of its columns, in order.
    """

    amounts: Floats
    classes: tuple[str, ...]

    @staticmethod
    def of(every: Sequence[Totals]) -> "Lowered":
        """Return the totals of necks as one matrix."""
        classes = vocabulary(every)
        return Lowered(matrix(every, classes), classes)

    def __len__(self) -> int:
        return len(self.amounts)


def vocabulary(every: Sequence[Totals]) -> tuple[str, ...]:
    """Return the classes that occur, sorted."""
    return tuple(sorted({kind for entry in every for kind in entry}))


def matrix(every: Sequence[Totals], classes: Sequence[str]) -> Floats:
    """Return (necks, 1 + 3 * classes): one, then MACs, bytes and count of each class; others are left out."""
    position = {kind: 1 + PER_CLASS * index for index, kind in enumerate(classes)}
    rows = np.zeros((len(every), 1 + PER_CLASS * len(classes)))
    rows[:, 0] = 1
    for row, entry in zip(rows, every, strict=True):
        for kind, values in entry.items():
            if kind in position:
                start = position[kind]
                row[start : start + PER_CLASS] = values
    return rows


def overall(every: Sequence[Totals], runtime: str) -> Floats:
    """Return (necks, 4): one, then MACs, bytes and count over all classes, in a runtime's proportions."""
    classes = vocabulary(every)
    amounts = matrix(every, classes)[:, 1:].reshape(len(every), -1, PER_CLASS)
    sums = (amounts * proportions(runtime, classes)).sum(axis=1)
    return np.column_stack([np.ones(len(every)), sums])
