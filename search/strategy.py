"""`Strategy`: a file under `search/strategies`, with its options."""

import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import Protocol, cast

import numpy as np

import search.strategies
from search.errors import UnknownStrategy, near
from search.evaluation import Evaluation, Genotype
from search.problem import Problem

DEFAULT = "surrogate"
Ask = Callable[[Sequence[Evaluation], int, np.random.Generator, Problem], list[Genotype]]


class _Module(Protocol):
    """What a file under `search/strategies` defines.

    `ask` returns up to `n` genotypes, fewer where it finds no more, none of a key that `history` knows; it
    holds no state.
    """

    BATCH: int
    """Genotypes to ask for at once."""
    GENERATIONS: bool
    """Whether a question waits for all answers to the one before, so that their order never matters."""

    def ask(
        self,
        history: Sequence[Evaluation],
        n: int,
        rng: np.random.Generator,
        problem: Problem,
    ) -> list[Genotype]: ...


@dataclass(frozen=True)
class Strategy:
    """A named way to choose what to evaluate next."""

    name: str
    ask: Ask = field(compare=False)
    batch: int
    generations: bool


def names() -> list[str]:
    """Return the strategies there are."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in pkgutil.iter_modules(search.strategies.__path__)))


def load(name: str, *, batch: int | None = None, **options: object) -> Strategy:
    """Return the strategy of `name`; `options` are keyword arguments of its `ask`.

    Raises:
        UnknownStrategy: no such strategy, or an option that it does not take.
    """
    if name not in names():
        raise UnknownStrategy(f"unknown strategy '{name}': {near(name, names())}")
    module = cast(_Module, import_module(f"search.strategies.{name}"))
    allowed = [
        entry.name
        for entry in inspect.signature(module.ask).parameters.values()
        if entry.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for option in options:
        if option not in allowed:
            raise UnknownStrategy(
                f"strategy '{name}' has no option '{option}'; it takes {', '.join(['batch', *allowed])}"
            )
    if batch is not None and batch < 1:
        raise UnknownStrategy(f"strategy '{name}': batch must be at least 1, got {batch}")
    ask = partial(cast(Ask, module.ask), **options) if options else module.ask
    return Strategy(name, ask, batch or module.BATCH, module.GENERATIONS)
