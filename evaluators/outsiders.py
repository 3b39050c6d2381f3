"""Scores of necks that a supernet has no weights for: trained briefly, on its backbone and its images.

score = AnyNeck(evaluator, weights={key: Path("neck.safetensors")})
score(architecture)     # inherited; or "trained" from first weights; or "fine-tuned" from the given ones
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evaluators.accuracy import AccuracyEvaluator, levels_of
from evaluators.finetuning import CONTROL_RATE, FineTuning, Schedule
from evaluators.score import Score, Source
from evaluators.validation import Run
from search_space.architecture import Architecture
from supernet.errors import UnknownWeights
from supernet.export.importing import load_neck
from supernet.subnet import Subnet
from supernet.training.alone import Alone, fresh

BRIEF = Schedule(steps=300, learning_rate=CONTROL_RATE)
"""How long and how fast such a neck is trained, its head from first weights."""


def go_on() -> None:
    """Let a training go on."""


@dataclass(frozen=True)
class AnyNeck:
    """Scores any architecture that reads the backbone's levels.

    Attributes:
        evaluator: of the supernet.
        weights: by architecture key, a safetensors file of a finished neck to begin from.
        schedule: of the brief training.
        check: called after each of its steps; what it raises ends the training.
    """

    evaluator: AccuracyEvaluator
    weights: Mapping[str, Path] = field(default_factory=dict)
    schedule: Schedule = BRIEF
    check: Callable[[], None] = go_on

    def __call__(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the scores by inherited weights where there are, else after a brief training.

        Raises:
            UnreadableWeights, WeightMismatch: the given weights cannot be trusted, or are another neck's.
            InvalidArchitecture: the neck's outputs differ in width, so that no shared head follows them.
        """
        run, source = self.ready(architecture)
        return self.evaluator.validation.outcome(run, levels_of(architecture)).scores(source)

    def ready(self, architecture: Architecture) -> tuple[Run, Source]:
        """Return the architecture with the weights that it is scored by, and where they come from.

        Raises:
            as above.
        """
        given = self.weights.get(architecture.key)
        if given is not None:
            return self._trained(architecture, load_neck(architecture, given))
        try:
            return self.evaluator.calibrated(architecture), "inherited"
        except UnknownWeights:
            return self._trained(architecture)

    def _trained(self, architecture: Architecture, neck: Subnet | None = None) -> tuple[Run, Source]:
        new = fresh(self.evaluator.detector.task, architecture, self.schedule.seed)
        model = new if neck is None else Alone(neck, new.head)
        tuning = FineTuning(self.evaluator, architecture, self.schedule, scratch=neck is None, model=model)
        for _ in tuning.run():
            self.check()
        return self.evaluator.calibrated_alone(tuning.model), tuning.source
