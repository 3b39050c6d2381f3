"""`Budget`: when a search ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import InvalidBudget
from search.evaluation import Evaluation
from search.problem import Problem
from search.result import hypervolumes


@dataclass(frozen=True)
class Budget:
    """Limits of a search; whichever is reached first ends it.

    Attributes:
        evaluations: architectures that the strategy may have evaluated, failed ones and those of a resumed
            history included, baselines and those of an archive not.
        seconds: wall-clock time of this run; what is being evaluated then is abandoned.
        flat: end where the last `flat` evaluations raised the hypervolume by less than `tolerance` of it.
        tolerance: see `flat`; a ratio.

    Raises:
        InvalidBudget: neither evaluations nor seconds, or one that allows nothing.
    """

    evaluations: int | None = None
    seconds: float | None = None
    flat: int | None = None
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise InvalidBudget("a budget needs a number of evaluations or of seconds")
        for name in ("evaluations", "seconds", "flat"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidBudget(f"a budget of {value} {name} allows nothing; give more than 0")
        if not 0 <= self.tolerance < 1:
            raise InvalidBudget(f"the tolerance is a ratio in [0, 1), got {self.tolerance}")

    def left(self, spent: int) -> int | None:
        """Return how many evaluations remain after `spent`; None where they are not limited."""
        return None if self.evaluations is None else max(0, self.evaluations - spent)

    def is_flat(self, history: Sequence[Evaluation], problem: Problem) -> bool:
        """Return whether the hypervolume has stopped growing."""
        if self.flat is None or len(history) <= self.flat:
            return False
        trace = hypervolumes(history, problem)
        return trace[-1] > 0 and trace[-1] - trace[-1 - self.flat] < self.tolerance * trace[-1]
