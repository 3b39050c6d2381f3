"""What the scoring of a subnet costs beside the passes and the metric that it cannot do without.

A score re-estimates the norms on cached features of 64 training images, runs neck and head over cached
features of 200 validation images, takes the loss, decodes the outputs and computes average precision with
its standard error. Held against it are the neck-and-head passes alone (the norms' among them) and the mean
average precision: from the head's outputs to AP. CPU time of one thread, subnets of a briefly trained
supernet, so that there is something to detect.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture
from supernet.data.digits import make_digits
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

SEEDS = (0,)
STEPS = 250
SUBNETS = 8
TARGETS = {"scoring_ratio": Target("<=", 1.15), "scoring_ratio_worst": Target("<=", 1.15)}


@dataclass(frozen=True)
class Parts:
    """CPU seconds of one subnet: the whole score, then what it consists of."""

    score: float
    passes: float
    decoding: float
    precision: float

    @property
    def ratio(self) -> float:
        """The score beside its passes and mAP."""
        return self.score / (self.passes + self.decoding + self.precision)

    @property
    def strict(self) -> float:
        """The same with decoding and suppression counted as overhead."""
        return self.score / (self.passes + self.precision)


def measure(*, quick: bool) -> list[Figure]:
    """Time the smallest, the largest and random subnets; quick: three subnets, few rounds."""
    torch.set_num_threads(1)
    subnets, rounds = (3, 2) if quick else (SUBNETS, 7)
    with TemporaryDirectory() as folder:
        scorer = _scorer(Path(folder), STEPS // (5 if quick else 1))
        space, rng = scorer.detector.space, np.random.default_rng(SEEDS[0])
        genotypes = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(subnets - 2))]
        made = [_timed_subnet(scorer, space.architecture(genotype), rounds) for genotype in genotypes]
    found = f"{subnets} subnets, median of {rounds} rounds each"
    ratios, stricts = [parts.ratio for parts in made], [parts.strict for parts in made]
    worst = max(ratios)
    figures = [
        Figure("scoring_ratio", statistics.median(ratios), "", None, found, min(ratios), worst),
        Figure("scoring_ratio_worst", worst, "", detail="of these subnets"),
        Figure("scoring_ratio_decoding_as_overhead", statistics.median(stricts), "", detail="stricter"),
    ]
    for entry in fields(Parts):
        values = [1e3 * getattr(parts, entry.name) for parts in made]
        middle = statistics.median(values)
        figures.append(
            Figure(f"{entry.name}_ms", middle, "ms", low=min(values), high=max(values), detail="by subnet")
        )
    return figures


def _scorer(folder: Path, steps: int) -> AccuracyEvaluator:
    dataset = make_digits(folder / "digits", seed=SEEDS[0], train=256, val=200)
    spec = replace(TrainingSpec.demo(str(dataset)), rule="single_path", rule_options={}, steps=steps)
    for _ in train(spec, folder / "supernet"):
        pass
    return AccuracyEvaluator(folder / "supernet", dataset)


def _timed_subnet(scorer: AccuracyEvaluator, architecture: Architecture, rounds: int) -> Parts:
    """Return the median over rounds, in which the whole and its parts take turns."""
    validation, detector = scorer.validation, scorer.detector
    levels = [level for level, _ in architecture.outputs]
    statistics_ = scorer.statistics(architecture)

    def passes() -> list[torch.Tensor]:
        scorer.statistics.cache_clear()
        found = scorer.statistics(architecture)
        with torch.no_grad():
            return [detector(features, architecture, statistics=found) for features in validation.features]

    def score() -> None:
        scorer.statistics.cache_clear()
        scorer.outcome(architecture)

    with torch.no_grad():
        outputs = [
            detector(features, architecture, statistics=statistics_) for features in validation.features
        ]
    detections = validation.decoded(outputs, levels)
    works: tuple[Callable[[], object], ...] = (
        score,
        passes,
        lambda: validation.decoded(outputs, levels),
        lambda: validation.metric.score(detections),
    )
    for work in works:
        work()
    columns = zip(*([_seconds(work) for work in works] for _ in range(rounds)), strict=True)
    return Parts(*(statistics.median(column) for column in columns))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    form.main("scoring", measure)
