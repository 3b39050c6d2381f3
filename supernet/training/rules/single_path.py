"""One randomly drawn architecture a step (Single Path One-Shot, arXiv:1904.00420).

Drawn uniformly, weights of rare combinations of choices are hardly trained. With `candidates` above 1 so many
are drawn, and one of them is trained, the likelier the rarer the least trained of its tensors.
"""

from collections.abc import Sequence

import numpy as np

from supernet.training.exposure import Exposure
from supernet.training.rule import Draw, Plan, Stateless

OPTIONS = ("candidates",)


class Rule(Stateless):
    """One random architecture a step; labels only.

    Options: `candidates`, drawn uniformly to choose from; by default 1.
    """

    def __init__(self, plan: Plan) -> None:
        """Draw from the plan's space."""
        self._space = plan.space
        self._candidates = int(plan.options.get("candidates", 1))
        self._exposure = Exposure(plan.space) if self._candidates > 1 else None

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return one random architecture."""
        if self._exposure is None:
            return [Draw(self._space.sample(rng))]
        drawn = [self._space.sample(rng) for _ in range(self._candidates)]
        weights = np.array([1 / self._exposure.rarest(genotype) for genotype in drawn])
        return [Draw(drawn[int(rng.choice(len(drawn), p=weights / weights.sum()))])]
