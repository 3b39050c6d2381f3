"""One uniformly drawn architecture a step (Single Path One-Shot, arXiv:1904.00420)."""

from collections.abc import Sequence

import numpy as np

from supernet.training.rule import Draw, Plan, Stateless

OPTIONS: tuple[str, ...] = ()


class Rule(Stateless):
    """One uniformly drawn architecture a step; labels only."""

    def __init__(self, plan: Plan) -> None:
        """Draw from the plan's space."""
        self._space = plan.space

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return one random architecture."""
        return [Draw(self._space.sample(rng))]
