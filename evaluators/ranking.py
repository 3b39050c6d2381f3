"""Whether a supernet's scores order architectures as training alone does: a small estimate for one supernet.

Architectures are drawn uniformly, not by a search, and distinct by key. The truth of each is its mean AP over
several trainings alone, neck and head from first weights on the supernet's backbone. Inherited weights are
scored by negative validation loss, adapted ones by AP, as searches score them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from evaluators.accuracy import AccuracyEvaluator
from evaluators.errors import EvaluatorError
from evaluators.rank_statistics import Floats, Statistic, interval, regret, rho, tau, top_half
from search_space.architecture import Architecture
from search_space.space import Space
from supernet.training.alone import AloneSpec, fresh, train_alone

LEAST = 4
"""Architectures below which an order says nothing."""
ATTEMPTS = 50
"""Draws an architecture, before the space is held to be too small."""


@dataclass(frozen=True)
class RankingSpec:
    """How much is measured.

    Attributes:
        architectures: how many are drawn.
        seeds: trainings alone of each; with two or more the ceiling is known as well.
        truth_steps: of a training alone.
        adaptation_steps: of the adapted score.
        seed: of the draw.
    """

    architectures: int = 12
    seeds: int = 2
    truth_steps: int = 300
    adaptation_steps: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.architectures < LEAST:
            raise EvaluatorError(f"{self.architectures} architectures have no order; rank {LEAST} or more")
        if min(self.seeds, self.truth_steps, self.adaptation_steps) < 1:
            raise EvaluatorError("seeds, truth_steps and adaptation_steps are at least 1")


@dataclass(frozen=True)
class Ranked:
    """One architecture: its truth by seed (AP), its size, its scores (negative loss, AP once adapted)."""

    key: str
    truth: tuple[float, ...]
    parameters: int
    macs: int
    inherited: float
    adapted: float

    def to_record(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        return {**asdict(self), "truth": list(self.truth)}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Ranked":
        """Return what `to_record` gave."""
        truth = record["truth"]
        assert isinstance(truth, Sequence), record
        return cls(**{**record, "truth": tuple(truth)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its 95 % bootstrap interval; None where all values are equal."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Order:
    """How one score orders the architectures.

    Attributes:
        tau: Kendall's.
        rho: Spearman's.
        top_half: Kendall's tau within the better half.
        regret: AP lost by taking the architecture with the best score.
    """

    tau: Correlation
    rho: Correlation
    top_half: Correlation
    regret: float


@dataclass(frozen=True)
class Ranking:
    """The estimate.

    Attributes:
        spec: what was measured.
        architectures: how many, after deduplication by key.
        spread: largest minus smallest truth, AP.
        ceiling: tau of one training alone against another; None with one seed.
        inherited, adapted: orders by the supernet's scores.
        parameters, macs: the trivial orders, by size alone.
    """

    spec: RankingSpec
    architectures: int
    spread: float
    ceiling: float | None
    inherited: Order
    adapted: Order
    parameters: Correlation
    macs: Correlation

    def to_record(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        return asdict(self)


def drawn(space: Space, spec: RankingSpec) -> list[Architecture]:
    """Return uniformly drawn architectures, distinct by key; fewer where the space has no more."""
    rng = np.random.default_rng(spec.seed)
    found: dict[str, Architecture] = {}
    for _ in range(ATTEMPTS * spec.architectures):
        architecture = space.architecture(space.sample(rng))
        found.setdefault(architecture.key, architecture)
        if len(found) == spec.architectures:
            break
    return list(found.values())


def rank(evaluator: AccuracyEvaluator, spec: RankingSpec, done: Collection[str] = ()) -> Iterator[Ranked]:
    """Yield each architecture as it is measured, those with keys in `done` left out.

    Raises:
        EvaluatorError: the space holds too few architectures.
    """
    architectures = drawn(evaluator.detector.space, spec)
    if len(architectures) < LEAST:
        raise EvaluatorError(
            f"the space holds {len(architectures)} architectures; {LEAST} or more can be ranked"
        )
    for architecture in architectures:
        if architecture.key not in done:
            yield _measured(evaluator, architecture, spec)


def _measured(evaluator: AccuracyEvaluator, architecture: Architecture, spec: RankingSpec) -> Ranked:
    adapted = evaluator.outcome_alone(evaluator.adapted(architecture, spec.adaptation_steps))
    return Ranked(
        architecture.key,
        tuple(_truth(evaluator, architecture, spec, seed) for seed in range(spec.seeds)),
        architecture.parameters(),
        architecture.macs(evaluator.detector.image_size),
        -evaluator.outcome(architecture, precision=False).loss,
        adapted.precision.ap,
    )


def _truth(evaluator: AccuracyEvaluator, architecture: Architecture, spec: RankingSpec, seed: int) -> float:
    """Return the AP of the architecture trained alone with that seed."""
    task, recipe = evaluator.detector.task, replace(evaluator.detector.spec, seed=100 + seed)
    model = fresh(task, architecture, seed=100 + seed)
    schedule = AloneSpec(spec.truth_steps, first_step=100_000 * (seed + 1))
    train_alone(model, task, evaluator.training_features, schedule, recipe)
    return evaluator.outcome_alone(model).precision.ap


def estimate(rows: Sequence[Ranked], spec: RankingSpec) -> Ranking:
    """Return what the measured architectures say.

    Raises:
        EvaluatorError: too few of them.
    """
    if len(rows) < LEAST:
        raise EvaluatorError(f"{len(rows)} architectures have no order; rank {LEAST} or more")
    runs = np.array([row.truth for row in rows]).T  # (seeds, architectures)
    truth: Floats = runs.mean(0)
    return Ranking(
        spec,
        len(rows),
        float(np.ptp(truth)),
        _finite(tau(runs[0], runs[1])) if len(runs) > 1 else None,
        _order(truth, np.array([row.inherited for row in rows])),
        _order(truth, np.array([row.adapted for row in rows])),
        _correlation(tau, truth, np.array([row.parameters for row in rows], dtype=np.float64)),
        _correlation(tau, truth, np.array([row.macs for row in rows], dtype=np.float64)),
    )


def _order(truth: Floats, score: Floats) -> Order:
    found = [_correlation(statistic, truth, score) for statistic in (tau, rho, top_half)]
    return Order(found[0], found[1], found[2], regret(truth, score))


def _correlation(statistic: Statistic, truth: Floats, score: Floats) -> Correlation:
    if min(np.ptp(truth), np.ptp(score)) == 0:
        return Correlation(None, None, None)
    made = interval(statistic, truth, score)
    return Correlation(_finite(made.value), _finite(made.low), _finite(made.high))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
