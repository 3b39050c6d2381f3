"""How often the shared tensors of a space would be trained if architectures were drawn uniformly.

Where some weights belong to rare combinations of choices they are hardly ever trained, and architectures that
need them look worse than they are.
"""

from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np

from search_space.space import Genotype, Space
from supernet.weights import needs

DRAWS = 2000
Tensor = tuple[str, str]
"""Share and name."""


class Exposure:
    """Shares of uniform draws that train each tensor, estimated from `DRAWS` of them."""

    def __init__(self, space: Space) -> None:
        """Draw from `space`; the estimate is a function of the space alone."""
        self._space = space
        rng = np.random.default_rng(0)
        self._trained: dict[Tensor, Counter[int]] = defaultdict(Counter)
        for _ in range(DRAWS):
            for tensor, channels in self._tensors(space.sample(rng)):
                self._trained[tensor][channels] += 1
        self.rarest = lru_cache(1 << 16)(self._rarest)

    def _tensors(self, genotype: Genotype) -> set[tuple[Tensor, int]]:
        """Return the tensors that a genotype trains, with the first so many of their channels."""
        found = needs(self._space.architecture(genotype))
        return {((need.share, need.name), need.shape[0]) for need in found if need.learned}

    def _rarest(self, genotype: Genotype) -> float:
        """Return the share of draws that train the least trained of its tensors in full, above 0."""
        shares = [
            sum(count for wide, count in self._trained[tensor].items() if wide >= channels)
            for tensor, channels in self._tensors(genotype)
        ]
        return max(1, min(shares, default=1)) / DRAWS
