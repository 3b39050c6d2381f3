"""What a training rule is: it says which architectures share a step, and who teaches whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

import numpy as np
from torch import Tensor

from search_space.architecture import Architecture
from search_space.errors import near
from search_space.space import Genotype, Space
from supernet.errors import UnknownRule
from supernet.training import rules


@dataclass(frozen=True)
class Draw:
    """One subnet of a step.

    Attributes:
        genotype: which.
        group: class of architectures that its loss is reported under, such as "largest".
        teaches: whether the draws after it also learn from its outputs.
        learns: whether it learns from the teacher drawn before it.
        weight: of its loss in the step.
        images: first and behind the last of the batch; None is all.
    """

    genotype: Genotype
    group: str = "random"
    teaches: bool = False
    learns: bool = False
    weight: float = 1.0
    images: tuple[int, int] | None = None


class Rule(Protocol):
    """What a file under `rules` offers as `Rule`."""

    def draws(self, step: int, rng: np.random.Generator) -> Sequence[Draw]:
        """Return the subnets of a step, in order; a function of the step and of `rng` alone."""

    def update(self, step: int, losses: Sequence[float]) -> None:
        """Take note of the losses of the draws of that step, in order."""

    def state(self) -> Mapping[str, Tensor]:
        """Return what the rule has learned, for a checkpoint."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` returned."""


@dataclass(frozen=True)
class Plan:
    """What a rule may know of the training.

    Attributes:
        space: whose architectures are drawn.
        steps: of the whole training.
        subnets: architectures a step.
        batch_size: images a step.
        options: by name, numbers of the rule.
    """

    space: Space
    steps: int
    subnets: int
    batch_size: int
    options: Mapping[str, float]


class Stateless:
    """A rule that learns nothing of its own."""

    def update(self, step: int, losses: Sequence[float]) -> None:
        """Nothing is learned."""

    def state(self) -> Mapping[str, Tensor]:
        """Nothing is kept."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing is taken up."""


def names() -> tuple[str, ...]:
    """Return the names of all rules, sorted."""
    return tuple(sorted(module.name for module in iter_modules(rules.__path__)))


def load_rule(name: str, plan: Plan) -> Rule:
    """Return the rule called `name`.

    Raises:
        UnknownRule: no file of that name (near matches are named), or an option that it does not know.
    """
    if name not in names():
        raise UnknownRule(f"unknown training rule '{name}'{near(name, names())}")
    module = import_module(f"{rules.__name__}.{name}")
    unknown = sorted(set(plan.options) - set(module.OPTIONS))
    if unknown:
        raise UnknownRule(f"rule '{name}' has no option {unknown}; it takes {sorted(module.OPTIONS)}")
    rule: Rule = module.Rule(plan)
    return rule


class Architectures:
    """Architectures of genotypes, the latest kept."""

    def __init__(self, space: Space, keep: int = 1024) -> None:
        """Build them by `space`."""
        self.of = lru_cache(keep)(lambda genotype: _architecture(space, genotype))


def _architecture(space: Space, genotype: Genotype) -> Architecture:
    return space.architecture(genotype)
