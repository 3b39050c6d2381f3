"""Several architectures share one batch, each on its own images (Chen et al., arXiv:2107.00651; vit-search).

The batch is cut into `subnets` groups of images, the largest architecture first; each group goes through
its own architecture, so that every norm sees images of one architecture only. The set of widths opens from
the largest down over the first part of the training. The backbone runs once over the whole batch.
"""

from collections.abc import Sequence

import numpy as np

from search_space.space import Genotype
from supernet.training.errors import InvalidTraining
from supernet.training.rule import Draw, Plan, Stateless

OPTIONS = ("widening",)
WIDENING = 0.3
LEAST_IMAGES = 2


class Rule(Stateless):
    """A batch cut into groups, an architecture each.

    Options: `widening`, the share of the steps in which the smaller widths open.
    """

    def __init__(self, plan: Plan) -> None:
        """Cut the plan's batches.

        Raises:
            InvalidTraining: fewer than two images would be left to an architecture.
        """
        self._space, self._subnets, self._batch = plan.space, plan.subnets, plan.batch_size
        self._open_after = max(1, round(float(plan.options.get("widening", WIDENING)) * plan.steps))
        if plan.batch_size < LEAST_IMAGES * plan.subnets:
            raise InvalidTraining(
                f"{plan.subnets} architectures on a batch of {plan.batch_size} leave some fewer than "
                f"{LEAST_IMAGES} images, too few for batch norm; use larger batches or fewer subnets"
            )

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return the largest and random architectures, each with its part of the batch."""
        genotypes = [self._space.largest()]
        genotypes += [self._widened(self._space.sample(rng), step) for _ in range(self._subnets - 1)]
        bounds = np.linspace(0, self._batch, self._subnets + 1).round().astype(int).tolist()
        groups = ["largest"] + ["random"] * (self._subnets - 1)
        return [
            Draw(genotype, group, weight=(last - first) / self._batch, images=(first, last))
            for genotype, group, first, last in zip(genotypes, groups, bounds, bounds[1:], strict=False)
        ]

    def _widened(self, genotype: Genotype, step: int) -> Genotype:
        """Return the genotype with its width raised to the narrowest that is open."""
        closed = 1 - min(1.0, step / self._open_after)
        chosen = list(genotype)
        for index, gene in enumerate(self._space.genes):
            if gene.name == "width":
                chosen[index] = max(chosen[index], round(closed * (len(gene.choices) - 1)))
        return self._space.canonical(chosen)
