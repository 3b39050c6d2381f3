"""Learned distributions over the choices of each gene (Transformable Architecture Search, arXiv:1905.09717).

Every gene keeps a distribution; a step draws architectures from it. Their losses move the distribution by the
score function estimator with the step's mean loss as baseline, and an entropy bonus that fades over the
training. The largest teaches (the paper's knowledge transfer). The paper interpolates channels of two
widths instead of estimating by draws; drawing keeps the one executor.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from search_space.space import Genotype
from supernet.training.rule import Draw, Plan

OPTIONS = ("rate", "entropy")
RATE, ENTROPY = 0.3, 0.02
Floats = npt.NDArray[np.float64]


class Rule:
    """Draws from distributions that its losses shape.

    Options: `rate`, of the logits; `entropy`, the bonus at the beginning, in units of loss.
    """

    def __init__(self, plan: Plan) -> None:
        """Start uniform."""
        self._plan = plan
        self._rate = float(plan.options.get("rate", RATE))
        self._entropy = float(plan.options.get("entropy", ENTROPY))
        self._logits = [np.zeros(len(gene.choices)) for gene in plan.space.genes]
        self._drawn: list[Genotype] = []

    def distributions(self) -> dict[str, Floats]:
        """Return the probability of each choice by gene."""
        genes = self._plan.space.genes
        return {gene.name: _softmax(logits) for gene, logits in zip(genes, self._logits, strict=True)}

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return the largest as teacher and architectures drawn from the distributions."""
        self._drawn = [self._draw(rng) for _ in range(max(2, self._plan.subnets - 1))]
        teacher = Draw(self._plan.space.largest(), "largest", teaches=True)
        return [teacher, *(Draw(genotype, "drawn", learns=True) for genotype in self._drawn)]

    def update(self, step: int, losses: Sequence[float]) -> None:
        """Raise the probability of what lost less than the mean of the step."""
        own = np.asarray(losses[1:])
        bonus = self._entropy * (1 - step / self._plan.steps)
        for genotype, gain in zip(self._drawn, own.mean() - own, strict=True):
            active = self._plan.space.active(genotype)
            for index in np.flatnonzero(active).tolist():
                self._move(index, genotype[index], float(gain), bonus / len(self._drawn))

    def state(self) -> Mapping[str, Tensor]:
        """Return the logits."""
        return {"logits": torch.from_numpy(np.concatenate(self._logits))}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up the logits."""
        bounds = np.cumsum([len(logits) for logits in self._logits])[:-1]
        self._logits = [part.copy() for part in np.split(state["logits"].numpy(), bounds)]

    def _draw(self, rng: np.random.Generator) -> Genotype:
        space = self._plan.space
        chosen = [0] * len(space.genes)
        for index in range(len(chosen)):
            allowed = list(space.domain(index, chosen))
            draw = rng.random()
            if allowed:
                weights = np.cumsum(_softmax(self._logits[index][allowed]))
                chosen[index] = allowed[min(int(np.searchsorted(weights, draw)), len(allowed) - 1)]
        return tuple(chosen)

    def _move(self, index: int, choice: int, gain: float, bonus: float) -> None:
        logits = self._logits[index]
        p = _softmax(logits)
        score = -p
        score[choice] += 1
        surprise = -np.log(np.maximum(p, 1e-12))
        flatten = p * (surprise - (p * surprise).sum())  # gradient of the entropy
        logits += self._rate * (gain * score + bonus * flatten)


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())
