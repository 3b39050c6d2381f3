"""Fine-tuning of one architecture: neck and head on the supernet's backbone, by a schedule of the user's.

    tuning = FineTuning(evaluator, architecture, Schedule(steps=600))
    for progress in tuning.run():      # to stop is to stop iterating
        ...
    tuning.scores()                    # source "fine-tuned"

From first weights instead of inherited ones (`scratch`) it is the control: what the schedule reaches alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from evaluators.accuracy import AccuracyEvaluator
from evaluators.errors import InvalidSchedule
from evaluators.score import Score, Source
from evaluators.validation import Outcome
from search_space.architecture import Architecture
from supernet.training.alone import Alone, AloneSpec, fresh, inherited, losses_alone

SEED_STEPS = 100_000
"""Steps of the endless order of the data between the beginnings of two seeds."""
FINE_RATE = 2e-3
"""Peak learning rate from inherited weights."""
CONTROL_RATE = 4e-3
"""Peak learning rate from first weights, that of the supernet's own training."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast an architecture is trained.

    Attributes:
        steps: optimizer steps.
        learning_rate: peak; a cosine falls from it to the supernet's `final_rate` of it.
        warmup: share of the steps in which the rate rises.
        seed: of the order of the data, and of first weights.

    Raises:
        InvalidSchedule: no step, a rate or a warm-up out of range.
    """

    steps: int = 600
    learning_rate: float = FINE_RATE
    warmup: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= SEED_STEPS:
            raise InvalidSchedule(f"steps is {self.steps}; train 1 to {SEED_STEPS:,}")
        if not 0 < self.learning_rate <= 1:
            raise InvalidSchedule(f"learning_rate is {self.learning_rate}; it is above 0 and at most 1")
        if not 0 <= self.warmup < 1:
            raise InvalidSchedule(f"warmup is {self.warmup}; it is a share of the steps, 0 to 1")

    def alone(self) -> AloneSpec:
        """Return the same for `supernet.training.alone`."""
        first = SEED_STEPS * (self.seed + 1)
        return AloneSpec(self.steps, self.learning_rate, self.warmup, first_step=first)


@dataclass(frozen=True)
class Progress:
    """How far a fine-tuning is, and the loss of its latest step."""

    step: int
    total: int
    loss: float


class FineTuning:
    """One training of one architecture.

    Attributes:
        model: neck and head, trained in place by `run`.
    """

    def __init__(
        self,
        evaluator: AccuracyEvaluator,
        architecture: Architecture,
        schedule: Schedule,
        *,
        scratch: bool = False,
        model: Alone | None = None,
    ) -> None:
        """Take the supernet's weights; first weights for `scratch`; or the weights of `model`."""
        self._evaluator, self._schedule, self._scratch = evaluator, schedule, scratch
        self.model = model or _begun(evaluator, architecture, schedule, scratch=scratch)

    def run(self) -> Iterator[Progress]:
        """Train and yield after each step.

        Raises:
            TrainingDiverged: a loss is not finite.
        """
        detector, spec = self._evaluator.detector, self._schedule.alone()
        losses = losses_alone(
            self.model, detector.task, self._evaluator.training_features, spec, detector.spec
        )
        for step, loss in enumerate(losses, 1):
            yield Progress(step, spec.steps, loss)

    @property
    def source(self) -> Source:
        """`fine-tuned`, or `trained` where it began from first weights."""
        return "trained" if self._scratch else "fine-tuned"

    def outcome(self, *, whole: bool = True) -> Outcome:
        """Return what the weights reach, on all validation images or on those candidates are scored on."""
        return self._evaluator.outcome_alone(self.model, whole=whole)

    def scores(self, *, whole: bool = True) -> tuple[Score, ...]:
        """Return the same as scores."""
        return self.outcome(whole=whole).scores(self.source)


def in_rounds(tuning: FineTuning, rounds: int) -> Iterator[tuple[Score, ...]]:
    """Train in that many rounds of about equal length, and yield the scores after each.

    Only those of the last are on all validation images, where not all of them are kept in memory.
    """
    done = 0
    for progress in tuning.run():
        if progress.step * rounds >= (done + 1) * progress.total:
            done += 1
            yield tuning.scores(whole=progress.step == progress.total)


def _begun(
    evaluator: AccuracyEvaluator, architecture: Architecture, schedule: Schedule, *, scratch: bool
) -> Alone:
    if scratch:
        return fresh(evaluator.detector.task, architecture, schedule.seed)
    return inherited(evaluator.detector, architecture, evaluator.statistics(architecture))
