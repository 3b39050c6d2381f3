"""Progressive shrinking: the largest first, then choice after choice opens (Once-for-All, arXiv:1908.09791).

Four phases of equal length: the largest alone; then operations, fusions and paths; then the number of stages;
then the width.
From the second phase on the largest also teaches the drawn ones.
"""

from collections.abc import Sequence

import numpy as np

from search_space.space import Genotype
from supernet.training.rule import Draw, Plan, Stateless

OPTIONS: tuple[str, ...] = ()
PHASES = 4


class Rule(Stateless):
    """Draws from a space that opens phase by phase."""

    def __init__(self, plan: Plan) -> None:
        """Divide the plan's steps into phases."""
        self._space, self._steps, self._subnets = plan.space, plan.steps, plan.subnets

    def phase(self, step: int) -> int:
        """Return the phase of a step, 0 to 3."""
        return min(PHASES - 1, PHASES * step // self._steps)

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return the largest, and random architectures within what is open."""
        phase = self.phase(step)
        if not phase:
            return [Draw(self._space.largest(), "largest")]
        drawn = [self._shrunk(self._space.sample(rng), phase) for _ in range(max(1, self._subnets - 1))]
        teacher = Draw(self._space.largest(), "largest", teaches=True)
        return [teacher, *(Draw(genotype, f"phase {phase}", learns=True) for genotype in drawn)]

    def _shrunk(self, genotype: Genotype, phase: int) -> Genotype:
        """Return the genotype with what is still closed at the largest's choice."""
        closed = {"width"} if phase == 2 else {"width", "stages"} if phase == 1 else set()
        chosen = [
            best if gene.name in closed else choice
            for gene, choice, best in zip(self._space.genes, genotype, self._space.largest(), strict=True)
        ]
        return self._space.canonical(chosen)
