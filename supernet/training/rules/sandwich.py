"""Largest, smallest and random architectures share a step; the largest teaches (BigNAS, arXiv:2003.11142).

The first steps train the largest alone: a teacher that cannot tell the classes yet holds the others back.
Then two `subnets` are the largest and the smallest; each one more is random. The others learn from the
largest's detached outputs as well as from the labels.
"""

from collections.abc import Sequence

import numpy as np

from supernet.training.rule import Draw, Plan, Stateless

OPTIONS = ("smallest", "distillation", "kickstart")
KICKSTART = 0.3


class Rule(Stateless):
    """The sandwich rule with in-place distillation.

    Options: `smallest` 0 replaces the smallest architecture by a random one; `distillation` 0 trains on
    labels alone; `kickstart` is the share of the steps that trains the largest alone.
    """

    def __init__(self, plan: Plan) -> None:
        """Draw from the plan's space."""
        self._space, self._subnets = plan.space, plan.subnets
        self._with_smallest = bool(plan.options.get("smallest", 1))
        self._alone_until = round(float(plan.options.get("kickstart", KICKSTART)) * plan.steps)
        self._taught = bool(plan.options.get("distillation", 1))

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return the largest, random ones, and the smallest last."""
        found = [Draw(self._space.largest(), "largest", teaches=self._taught)]
        if step < self._alone_until:
            return found
        last = [Draw(self._space.smallest(), "smallest", learns=self._taught)]
        last = last if self._with_smallest and self._subnets > 1 else []
        for _ in range(self._subnets - len(found) - len(last)):
            found.append(Draw(self._space.sample(rng), learns=self._taught))
        return found + last
