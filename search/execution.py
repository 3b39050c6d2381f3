"""What an executor takes and gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from evaluators.score import Score
from search_space.architecture import Architecture

Evaluator = Callable[[Architecture], tuple[Score, ...]]
"""Scores one architecture; may raise, which fails that architecture alone."""
Factory = Callable[..., Evaluator]
"""Makes an evaluator where it will run. Picklable; called once a worker, with the weights where given."""


@dataclass(frozen=True)
class Outcome:
    """What became of one architecture handed to an executor.

    Attributes:
        key: its `Architecture.key`.
        scores: empty where it failed.
        error: why it failed, or None.
        seconds: time of the last attempt on its worker.
        attempts: how often it was begun.
    """

    key: str
    scores: tuple[Score, ...]
    error: str | None
    seconds: float
    attempts: int = 1


class Executor(Protocol):
    """Evaluates architectures, in any order; each one submitted comes back exactly once."""

    @property
    def workers(self) -> int:
        """How many architectures are evaluated at a time."""

    @property
    def concurrent(self) -> bool:
        """Whether evaluations go on while the caller does something else."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know, such as parallelism that had to be reduced."""

    def submit(self, architectures: Sequence[Architecture]) -> None:
        """Queue architectures; returns at once."""

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Return the next finished architecture; None where nothing is queued or the time is over."""

    def cancel(self) -> None:
        """Forget what is queued and what is being worked on."""

    def close(self) -> None:
        """Cancel, and leave nothing behind."""


def evaluated(evaluate: Evaluator, architecture: Architecture, attempts: int) -> Outcome:
    """Return what became of `architecture`, tried again while it raises, `attempts` times at most."""
    for attempt in range(1, attempts + 1):
        began = perf_counter()
        try:
            scores = evaluate(architecture)
        except Exception as error:  # noqa: BLE001 - whatever it raises fails this architecture alone
            text = f"{type(error).__name__}: {error}"
        else:
            return Outcome(architecture.key, scores, None, perf_counter() - began, attempt)
    return Outcome(architecture.key, (), text, perf_counter() - began, attempts)
