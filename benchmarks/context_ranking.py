"""On images that need fusion: does a supernet order necks of equal MACs by what their topology is worth?

Topologies of one and two stages, among them some that never fuse, are drawn uniformly; each has the width
that brings neck and head nearest to the same MACs. Their truth is the mean AP of two trainings alone; a
supernet of them all scores them after a short adaptation.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.form import Figure
from benchmarks.rows import Rows
from evaluators.accuracy import AccuracyEvaluator
from evaluators.rank_statistics import concordance, interval
from search_space.architecture import Architecture
from search_space.space import Genotype, Space
from supernet.backbone import BackboneSpec
from supernet.training.alone import AloneSpec, fresh, train_alone
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

SPACE: dict[str, Any] = {
    "space": "fusion_grid",
    "stages": [1, 2],
    "widths": list(range(12, 66, 2)),
    "paths": ["skip", "top_down", "bottom_up", "parallel"],
    "skips": ["none"],
    "fusions": ["sum"],
    "ops": ["conv3"],
    "places": ["after"],
    "downs": ["conv"],
}
TOPOLOGIES = 10
SEEDS = (0, 1)
TRUTH_STEPS, SUPERNET_STEPS, ADAPTATION = 900, 4000, 50
DRAWS = 600


class Ranking:
    """The measured rows, resumable one by one."""

    def __init__(
        self,
        folder: Path,
        rows: Path,
        scorer: Callable[[], AccuracyEvaluator],
        backbone: Callable[[], BackboneSpec],
        *,
        macs: float,
        count: Callable[[Architecture], int],
        share: float,
    ) -> None:
        """Rank necks of `macs`, by `count`, on the backbone of `scorer`; `share` shortens every training."""
        self._folder, self._scorer, self._backbone = folder, scorer, backbone
        self._macs, self._count, self._share = macs, count, share
        self.truth, self.scores = Rows(rows / "truth.jsonl"), Rows(rows / "scores.jsonl")

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Distinct topologies, each at the width whose MACs are nearest."""
        space, rng = Space.load(SPACE), np.random.default_rng(7)
        found: dict[str, Architecture] = {}
        topologies = {space.sample(rng)[1:]: None for _ in range(DRAWS)}
        names = sorted(topologies)
        for index in rng.permutation(len(names)).tolist():
            architecture = self._matched(space, names[index])
            found.setdefault(architecture.key, architecture)
        return list(found.values())[: TOPOLOGIES if self._share == 1 else 4]

    def _matched(self, space: Space, topology: Genotype) -> Architecture:
        widths = range(len(SPACE["widths"]))
        made = [space.architecture(space.canonical((width, *topology))) for width in widths]
        return min(made, key=lambda architecture: abs(self._count(architecture) - self._macs))

    def measure_truth(self, seed: int) -> None:
        """Train every neck alone with that seed, as far as it is not measured yet."""
        missing = [a for a in self.architectures if not self.truth.find(key=a.key, seed=seed)]
        if not missing:
            return
        scorer = self._scorer()
        recipe, steps = replace(scorer.detector.spec, seed=100 + seed), self._steps(TRUTH_STEPS)
        for architecture in missing:
            model = fresh(scorer.detector.task, architecture, seed=100 + seed)
            spec = AloneSpec(steps, first_step=100_000 * (seed + 1))
            train_alone(model, scorer.detector.task, scorer.training_features, spec, recipe)
            ap = scorer.outcome_alone(model).precision.ap
            self.truth.add(
                {"key": architecture.key, "seed": seed, "ap": ap, "macs": self._count(architecture)}
            )

    def measure_scores(self) -> None:
        """Score every neck by the supernet: inherited, then adapted."""
        missing = [a for a in self.architectures if not self.scores.find(key=a.key)]
        if not missing:
            return
        scorer = AccuracyEvaluator(self._trained(), self._folder / "data")
        for architecture in missing:
            after = scorer.outcome_alone(scorer.adapted(architecture, ADAPTATION))
            loss = scorer.outcome(architecture, precision=False).loss
            self.scores.add({"key": architecture.key, "inherited": -loss, "adapted": after.precision.ap})

    def _trained(self) -> Path:
        """Return the supernet's folder, training it first on the frozen backbone."""
        spec = TrainingSpec(
            str(self._folder / "data"),
            space=SPACE,
            backbone=self._backbone(),
            rule="single_path",
            steps=self._steps(SUPERNET_STEPS),
        )
        target = self._folder / "supernet"
        if not (target / "supernet.json").exists():
            for _ in train(spec, target):
                pass
        return target

    def _steps(self, steps: int) -> int:
        return max(10, round(steps * self._share))

    def figures(self) -> list[Figure]:
        """Return what the measured rows allow."""
        complete = [
            (rows, score)
            for a in self.architectures
            if all(rows := [self.truth.find(key=a.key, seed=seed) for seed in SEEDS])
            and (score := self.scores.find(key=a.key))
        ]
        if len(complete) < 4:
            return []
        runs = np.array([[row["ap"] for row in rows if row] for rows, _ in complete])
        truth, together = runs.mean(1), np.zeros(len(runs))
        macs = [row["macs"] for rows, _ in complete for row in rows if row]
        detail = f"{len(runs)} topologies at {min(macs) / 1e6:.1f} to {max(macs) / 1e6:.1f} M MACs"
        found = [Figure("equal_macs_truth_spread", float(np.ptp(truth)), "AP", detail=detail)]
        for source in ("inherited", "adapted"):
            made = interval(concordance, truth, np.array([score[source] for _, score in complete]), together)
            name = f"equal_macs_{source}_concordance"
            found.append(Figure(name, made.value, "", detail="one supernet", low=made.low, high=made.high))
        return found
