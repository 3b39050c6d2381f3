"""Nested sub-models on one chain from the smallest to the largest architecture (SortedNet, arXiv:2309.00255).

A step draws `subnets` of the chain's sub-models; each learns from the labels alone, and their gradients are
added up.
"""

from collections.abc import Sequence

import numpy as np

from search_space.space import Genotype, Space
from supernet.training.rule import Draw, Plan, Stateless

OPTIONS = ("length",)
LENGTH = 8


class Rule(Stateless):
    """Draws from a chain of nested architectures, all equally likely.

    Options: `length`, the number of sub-models on the chain.
    """

    def __init__(self, plan: Plan) -> None:
        """Lay the chain through the plan's space."""
        self._subnets = plan.subnets
        self.chain = chain(plan.space, int(plan.options.get("length", LENGTH)))

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return sub-models drawn with replacement."""
        picks = rng.integers(len(self.chain), size=self._subnets).tolist()
        return [Draw(self.chain[pick], self._group(pick)) for pick in picks]

    def _group(self, pick: int) -> str:
        return {0: "smallest", len(self.chain) - 1: "largest"}.get(pick, "nested")


def chain(space: Space, length: int) -> tuple[Genotype, ...]:
    """Return genotypes whose ordinal genes rise together; all other genes are the largest's."""
    largest = space.largest()
    found: dict[Genotype, None] = {}
    for share in np.linspace(0, 1, max(length, 2)):
        chosen = [
            round(float(share) * (len(gene.choices) - 1)) if gene.ordinal else choice
            for gene, choice in zip(space.genes, largest, strict=True)
        ]
        found[space.canonical(chosen)] = None
    return tuple(found)
