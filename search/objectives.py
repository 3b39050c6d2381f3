"""What a search asks for. The only place where a larger-is-better value changes its sign."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from types import MappingProxyType
from typing import Literal

from evaluators.score import Score
from search.errors import InvalidConstraint, UnknownMetric, UnknownUnit, near

Direction = Literal["minimise", "maximise"]


@dataclass(frozen=True)
class Metric:
    """A number that an evaluator reports: its unit and which way is better."""

    name: str
    direction: Direction
    unit: str
    meaning: str


def _table(*metrics: Metric) -> Mapping[str, Metric]:
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS = _table(
    Metric("ap", "maximise", "1", "COCO average precision over IoU 0.50:0.95"),
    Metric("ap50", "maximise", "1", "average precision at IoU 0.50"),
    Metric("ap_small", "maximise", "1", "average precision of objects under 32 x 32 pixels"),
    Metric("ap_medium", "maximise", "1", "average precision of objects between"),
    Metric("ap_large", "maximise", "1", "average precision of objects over 96 x 96 pixels"),
    Metric("miou", "maximise", "1", "mean intersection over union of segmentation"),
    Metric("val_loss", "minimise", "1", "loss on the validation images"),
    Metric("latency_ms", "minimise", "ms", "10th percentile of the time for one batch"),
    Metric("latency_p50_ms", "minimise", "ms", "median of the time for one batch"),
    Metric("latency_p90_ms", "minimise", "ms", "90th percentile of the time for one batch"),
    Metric("macs", "minimise", "MACs", "multiply-accumulates of convolutions and matrix products"),
    Metric("parameters", "minimise", "parameters", "learnable numbers; tied ones count once"),
    Metric("activation_memory", "minimise", "bytes", "activations alive at once, at most"),
)


def metric(name: str) -> Metric:
    """Return the metric of `name`; `latency_ms@<device>` is `latency_ms` on a named device.

    Raises:
        UnknownMetric: nothing defines it.
    """
    base = name.partition("@")[0]
    if base not in METRICS:
        raise UnknownMetric(f"unknown metric '{name}': {near(base, METRICS)}")
    found = METRICS[base]
    return Metric(name, found.direction, found.unit, found.meaning)


def device(name: str) -> str | None:
    """Return the device that a metric's name carries, or None."""
    return name.partition("@")[2] or None


@dataclass(frozen=True)
class Objective:
    """A metric to make small or large. Direction and unit follow from the metric where left out.

    Raises:
        UnknownMetric, UnknownUnit.
    """

    metric: str
    direction: Direction | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        known = metric(self.metric)
        if self.unit not in (None, known.unit):
            raise UnknownUnit(f"metric '{self.metric}' is in {known.unit}, not in '{self.unit}'")
        if self.direction not in (None, "minimise", "maximise"):
            raise UnknownMetric(
                f"objective '{self.metric}': direction is 'minimise' or 'maximise', not '{self.direction}'"
            )
        object.__setattr__(self, "unit", known.unit)
        object.__setattr__(self, "direction", self.direction or known.direction)

    @property
    def sign(self) -> float:
        """+1 where smaller is better, -1 where larger is."""
        return 1.0 if self.direction == "minimise" else -1.0

    def to_cost(self, value: float) -> float:
        """Return `value` so that smaller is better."""
        return self.sign * value

    def from_cost(self, cost: float) -> float:
        """Return the value in the metric's own unit and direction."""
        return self.sign * cost


HALF_INTERVAL = 1.645
"""Standard errors from a value to either end of its 90 % interval."""


@dataclass(frozen=True)
class Constraint:
    """Bounds on a metric in its own unit and direction; a bound itself is allowed.

    Where it is `certain`, the whole 90 % interval of a value must lie within the bounds, not only the value.

    Raises:
        UnknownMetric, UnknownUnit.
        InvalidConstraint: no bound, a bound that is not a number, or a lower one above the upper one.
    """

    metric: str
    upper: float | None = None
    lower: float | None = None
    unit: str | None = None
    certain: bool = False

    def __post_init__(self) -> None:
        known = metric(self.metric)
        if self.unit not in (None, known.unit):
            raise UnknownUnit(f"metric '{self.metric}' is in {known.unit}, not in '{self.unit}'")
        object.__setattr__(self, "unit", known.unit)
        given = [bound for bound in (self.upper, self.lower) if bound is not None]
        if not given or not all(isfinite(bound) for bound in given):
            raise InvalidConstraint(f"constraint on '{self.metric}' needs a finite upper or lower bound")
        low, high = self.interval
        if low > high:
            raise InvalidConstraint(
                f"constraints on '{self.metric}' contradict: "
                f"at least {low:g} and at most {high:g} {self.unit}"
            )

    @property
    def interval(self) -> tuple[float, float]:
        """The lowest and the highest value allowed."""
        return (
            -inf if self.lower is None else self.lower,
            inf if self.upper is None else self.upper,
        )

    def violation(self, value: float) -> float:
        """Return by how much of the bound `value` misses it; 0 where it holds, infinite for NaN."""
        low, high = self.interval
        if value != value:
            return inf
        if low <= value <= high:
            return 0.0
        bound = low if value < low else high
        return abs(value - bound) / max(abs(bound), 1e-12)

    def missed_by(self, score: Score) -> float:
        """Return by how much of the bound a score misses it, by the worse end of its interval if `certain`.

        Infinite for a prediction without an interval where certainty is asked for.
        """
        if not self.certain or score.source == "counted":
            return self.violation(score.value)
        if score.stderr is None:
            return inf if score.source == "predicted" else self.violation(score.value)
        reach = HALF_INTERVAL * score.stderr
        return max(self.violation(score.value - reach), self.violation(score.value + reach))

    def __str__(self) -> str:
        low, high = self.interval
        parts = [f">= {low:g}"] * (low > -inf) + [f"<= {high:g}"] * (high < inf)
        certainty = " by its whole 90 % interval" if self.certain else ""
        return f"{self.metric} {' and '.join(parts)} {self.unit}{certainty}"


def reject_contradictions(constraints: Sequence[Constraint]) -> None:
    """Raise `InvalidConstraint` where the constraints on one metric leave nothing between them."""
    for name in dict.fromkeys(constraint.metric for constraint in constraints):
        intervals = [entry.interval for entry in constraints if entry.metric == name]
        low, high = max(low for low, _ in intervals), min(high for _, high in intervals)
        if low > high:
            raise InvalidConstraint(
                f"constraints on '{name}' contradict: at least {low:g} and at most {high:g} "
                f"{metric(name).unit}"
            )


def objectives(names: Iterable[str]) -> tuple[Objective, ...]:
    """Return an objective for each metric's name."""
    return tuple(Objective(name) for name in names)
