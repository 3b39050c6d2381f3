"""Evaluates in this process, one architecture after the other, when asked for the next."""

from collections import deque
from collections.abc import Sequence
from typing import Self

from search.errors import ExecutorClosed
from search.execution import Evaluator, Factory, Outcome, evaluated
from search_space.architecture import Architecture


class LocalExecutor:
    """One worker: the caller.

    Attributes:
        factory: makes the evaluator, with `weights` if given; called at the first evaluation.
        attempts: how often an architecture whose evaluation raises is tried.
    """

    workers = 1
    concurrent = False
    notices: tuple[str, ...] = ()

    def __init__(self, factory: Factory, *, weights: object = None, attempts: int = 2) -> None:
        self._factory, self._weights, self._attempts = factory, weights, attempts
        self._evaluate: Evaluator | None = None
        self._queue: deque[Architecture] = deque()
        self._closed = False

    def submit(self, architectures: Sequence[Architecture]) -> None:
        """Queue architectures; nothing is evaluated yet.

        Raises:
            ExecutorClosed.
        """
        if self._closed:
            raise ExecutorClosed("this executor was closed; make another")
        self._queue.extend(architectures)

    def wait(self, timeout_s: float | None = None) -> Outcome | None:
        """Evaluate the next architecture and return what became of it; None where nothing is queued.

        One that was begun is finished, whatever `timeout_s`.
        """
        if not self._queue:
            return None
        if self._evaluate is None:
            made = self._factory() if self._weights is None else self._factory(self._weights)
            self._evaluate = made
        return evaluated(self._evaluate, self._queue.popleft(), self._attempts)

    def cancel(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    def close(self) -> None:
        """Forget what is queued and let the evaluator go."""
        self.cancel()
        self._closed, self._evaluate = True, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
