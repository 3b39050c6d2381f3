"""`Costs`: what each of many kernels costs on a device, to be summed over the kernels of each neck."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_space.composition import Indices

Floats = NDArray[np.float64]

LEAST = 1e-6
"""No neck is predicted to cost less."""


@dataclass(frozen=True)
class Costs:
    """What kernels cost.

    Attributes:
        base: what every neck costs besides.
        fixed: (kernels,) what adds up whatever else runs.
        computing: (classes, kernels) time of computing, of the classes that were never measured.
        moving: (classes, kernels) time of moving data; of each such class a neck costs the larger sum.
    """

    base: float
    fixed: Floats
    computing: Floats
    moving: Floats

    def sums(self, kernels: Indices, necks: Indices, count: int) -> Floats:
        """Return the cost (count,) of necks that run `kernels` (n,), each in its neck of `necks` (n,)."""
        times = self.base + np.bincount(necks, self.fixed[kernels], count)
        for computing, moving in zip(self.computing, self.moving, strict=True):
            times += np.maximum(*(np.bincount(necks, part[kernels], count) for part in (computing, moving)))
        return np.maximum(times, LEAST)
