"""`Problem`: what is searched, for what, within which bounds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.score import Score
from search.errors import InvalidProblem, MissingScore
from search.evaluation import Evaluation, Genotype
from search.objectives import Constraint, Objective, reject_contradictions
from search_space.architecture import Architecture

Cheap = Callable[[Architecture], tuple[Score, ...]]
"""Scores that cost next to nothing: counted ones and predicted latency."""

Many = Callable[[Sequence[Genotype]], NDArray[np.float64]]
"""One cheap score of canonical genotypes (n,), thousands of them in one call."""

MEMORY = 50_000
"""Candidates whose key and cheap scores are remembered."""


class Gene(Protocol):
    """One choice of a space."""

    @property
    def name(self) -> str: ...
    @property
    def choices(self) -> tuple[int | str, ...]: ...
    @property
    def ordinal(self) -> bool: ...


class SearchSpace(Protocol):
    """What a search asks of a space; `search_space.space.Space` is one."""

    @property
    def genes(self) -> Sequence[Gene]: ...
    def active(self, genotype: Genotype) -> tuple[bool, ...]: ...
    def canonical(self, genotype: Genotype) -> Genotype: ...
    def canonical_many(self, genotypes: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def active_many(self, genotypes: NDArray[np.int64]) -> NDArray[np.bool_]: ...
    def sample(self, rng: np.random.Generator) -> Genotype: ...
    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype: ...
    def crossover(self, a: Genotype, b: Genotype, rng: np.random.Generator) -> Genotype: ...
    def encode(self, genotype: Genotype) -> NDArray[np.float64]: ...
    def architecture(self, genotype: Genotype) -> Architecture: ...
    def embed(self, architecture: Architecture) -> Genotype: ...
    def corners(self) -> list[Genotype]: ...
    def size(self) -> int: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Candidate:
    """A genotype with the key of its architecture and what is known of it for nothing."""

    genotype: Genotype
    key: str
    scores: tuple[Score, ...]

    def find(self, metric: str) -> Score | None:
        """Return a cheap score, or None where the metric is not cheap."""
        return next((score for score in self.scores if score.metric == metric), None)

    def value(self, metric: str) -> float:
        """Return a cheap score's value; NaN where the metric is not cheap."""
        score = self.find(metric)
        return float("nan") if score is None else score.value


@dataclass(frozen=True)
class Problem:
    """A space, objectives, constraints, the seed, and the scores that are to be had for nothing.

    Attributes:
        space: where genotypes come from.
        objectives: one to four, each on its own metric.
        constraints: bounds; those on cheap metrics are checked before anything is evaluated.
        seed: fixes every random draw.
        cheap: cheap scores of an architecture, without side effects.
        reference: the worst value of each objective that is still of interest, in the metrics' own units
            and directions; None: taken from the bounds and the results.
        shortcut: the key and the cheap scores of a genotype, where they can be had without its graph;
            must agree with `cheap`.
        many: metrics whose cheap scores of many genotypes can be had in one call, with that call; it must
            agree with `cheap`.

    Raises:
        InvalidProblem, InvalidConstraint.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    seed: int = 0
    cheap: Cheap = lambda _: ()
    reference: tuple[float, ...] | None = None
    shortcut: Callable[[Genotype], tuple[str, tuple[Score, ...]]] | None = None
    many: tuple[tuple[str, Many], ...] = ()
    _memory: dict[Genotype, Candidate] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        metrics = [objective.metric for objective in self.objectives]
        if not 1 <= len(metrics) <= 4:
            raise InvalidProblem(f"a search has one to four objectives, got {len(metrics)}")
        if len(set(metrics)) < len(metrics):
            raise InvalidProblem(f"each objective needs its own metric, got {', '.join(metrics)}")
        if self.reference is not None and len(self.reference) != len(metrics):
            raise InvalidProblem(
                f"the reference point has {len(self.reference)} values for {len(metrics)} objectives"
            )
        reject_contradictions(self.constraints)

    def candidate(self, genotype: Iterable[int]) -> Candidate:
        """Return the canonical genotype with its key and cheap scores; remembered."""
        given = tuple(genotype)
        if given in self._memory:  # only canonical ones are
            return self._memory[given]
        canonical = self.space.canonical(given)
        if canonical not in self._memory:
            if len(self._memory) >= MEMORY:
                del self._memory[next(iter(self._memory))]
            self._memory[canonical] = self._look_up(canonical)
        return self._memory[canonical]

    def _look_up(self, genotype: Genotype) -> Candidate:
        if self.shortcut is not None:
            return Candidate(genotype, *self.shortcut(genotype))
        architecture = self.space.architecture(genotype)
        return Candidate(genotype, architecture.key, self.cheap(architecture))

    def violations(self, found: Candidate | Evaluation) -> tuple[float, ...]:
        """Return the part of its bound by which each constraint is missed; 0 where it holds or is unknown."""
        scores = (found.find(constraint.metric) for constraint in self.constraints)
        return tuple(
            0.0 if score is None else constraint.missed_by(score)
            for constraint, score in zip(self.constraints, scores, strict=True)
        )

    def feasible(self, found: Candidate | Evaluation) -> bool:
        """Return whether every constraint on a known score holds."""
        return not any(self.violations(found))

    def costs(self, found: Candidate | Evaluation) -> NDArray[np.float64]:
        """Return the objectives (M,) so that smaller is better; NaN where a score is not known."""
        return np.array([entry.to_cost(_value(found, entry.metric)) for entry in self.objectives])

    def require_scores(self, evaluation: Evaluation) -> None:
        """Raise `MissingScore` unless every objective and constraint has its score."""
        metrics = [entry.metric for entry in self.objectives] + [entry.metric for entry in self.constraints]
        for metric in metrics:
            if evaluation.find(metric) is None:
                raise MissingScore(
                    f"'{metric}' is searched by, but neither the evaluator nor the cheap scores give it"
                )

    def cheap_objectives(self) -> tuple[bool, ...]:
        """Return for each objective whether it is had for nothing."""
        known = self.candidate(self.space.corners()[0])
        return tuple(bool(~np.isnan(known.value(entry.metric))) for entry in self.objectives)

    def at(self, reference: tuple[float, ...]) -> "Problem":
        """Return the same problem with a reference point."""
        return replace(self, reference=reference)


def _value(found: Candidate | Evaluation, metric: str) -> float:
    score = found.find(metric)
    return float("nan") if score is None else score.value
