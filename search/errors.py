"""What `search` raises.

SearchError (ValueError)
├── UnknownMetric           an objective or constraint on a metric that nothing defines; offers near matches
├── UnknownUnit             a unit that the metric is not given in
├── InvalidConstraint       no bound, an empty interval, or bounds that contradict one another
├── InvalidProblem          no objective, or two on one metric, or a reference point that does not fit
├── InvalidBudget           a budget that allows nothing
├── UnknownStrategy         a strategy or option that does not exist; offers near matches
├── MissingScore            an evaluation without a metric that the search needs
├── MissingPredictor        a device whose latency cannot be predicted; names the command that helps
├── NewerSchema             JSON written by a later version of this package
└── Infeasible              nothing found within the bounds; carries the nearest and the bound that failed
ExecutorClosed (RuntimeError)   work handed to an executor that was closed
WorkerFailed (RuntimeError)     workers cannot be made; the reason is the evaluator's
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SearchError(ValueError):
    """Anything that is wrong with what a search was asked to do."""


class UnknownMetric(SearchError):
    """A metric that nothing defines."""


class UnknownUnit(SearchError):
    """A unit that the metric is not given in."""


class InvalidConstraint(SearchError):
    """Bounds that nothing can meet, whatever the space."""


class InvalidProblem(SearchError):
    """Objectives, constraints and reference point that do not go together."""


class InvalidBudget(SearchError):
    """A budget that allows nothing."""


class UnknownStrategy(SearchError):
    """A strategy that no file under `search/strategies` defines, or an option that it does not take."""


class MissingScore(SearchError):
    """An evaluation without a metric that the search needs."""


class MissingPredictor(SearchError):
    """A device whose latency cannot be predicted yet."""

    def __init__(self, device: str) -> None:
        super().__init__(
            f"device '{device}' has no latency predictor; "
            f"make one with: neckline devices calibrate --device {device}"
        )


class NewerSchema(SearchError):
    """JSON written by a later version of this package."""


class Infeasible(SearchError):
    """Nothing within the bounds was found.

    Attributes:
        genotype: the nearest architecture found, as choices of the space.
        bound: the constraint that it breaks the most, as text.
        value: what it has of that constraint's metric, in the metric's unit.
        tried: how many architectures were looked at.
    """

    def __init__(self, genotype: tuple[int, ...], bound: str, value: float, tried: int) -> None:
        super().__init__(
            f"infeasible: none of {tried} architectures meets {bound}; the nearest has {value:.6g}. "
            f"Relax the bound, or search a space that reaches it"
        )
        self.genotype, self.bound, self.value, self.tried = genotype, bound, value, tried


class ExecutorClosed(RuntimeError):
    """Work handed to an executor that was closed."""


class WorkerFailed(RuntimeError):
    """Workers cannot be made at all, or die whatever they evaluate."""


def near(name: str, known: Iterable[str]) -> str:
    """Return a clause that offers what `name` may have meant."""
    names = sorted(known)
    matches = get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(matches)}?" if matches else f"known: {', '.join(names)}"
