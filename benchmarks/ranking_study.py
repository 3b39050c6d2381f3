"""Architectures drawn uniformly, their truth by trainings alone, and supernets that score them.

The truth of each is the mean AP of two trainings alone, neck and head from first weights on the cached
features of a frozen backbone that was pretrained as a classifier, see `pretraining`. Each supernet trains on
the same features. Every measured row is appended to a study's `*.jsonl` as soon as it is there.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.form import Figure
from benchmarks.pretraining import Pretraining, pretrain
from benchmarks.ranking_table import ADAPTED_STEPS, figures
from benchmarks.rows import Rows
from evaluators.accuracy import ADAPTATION, AccuracyEvaluator, Adaptation
from search_space.architecture import Architecture
from search_space.space import Space
from supernet.backbone import BackboneSpec
from supernet.data.coco import CocoDetection
from supernet.data.digits import make_digits
from supernet.training.alone import AloneSpec, fresh, train_alone
from supernet.training.rule import Plan, Rule, load_rule
from supernet.training.run import build_detector, build_trainer, train, write_detector
from supernet.training.spec import TrainingSpec
from supernet.training.step import Trainer

SPACE: dict[str, Any] = {"space": "fusion_grid", "stages": [1, 2], "widths": [16, 32, 48]}
IMAGE = (128, 128)
NO_OPTIONS: Mapping[str, float] = {}
RULES = ("single_path", "sandwich", "sorted", "multi_arch", "progressive", "differentiable")
OPTIONS: dict[str, dict[str, float]] = {"single_path": {"candidates": 8}, "sandwich": {"kickstart": 0.0}}
TIMED_STEPS = 24


@dataclass(frozen=True)
class Training:
    """Supernets of one rule.

    Attributes:
        rule: of the training.
        time: in steps of `single_path`.
        seeds: how many supernets.
        options: of the rule, by name.
        begins: name of the training whose supernets it begins from, with the whole schedule again.
    """

    rule: str
    time: int
    seeds: int
    options: Mapping[str, float] = field(default_factory=dict)
    begins: str | None = None


@dataclass(frozen=True)
class Study:
    """What is measured, and where it is kept.

    Attributes:
        work: folder of data and supernets.
        rows: folder of the measured rows.
        trainings: of supernets, by name.
        architectures: how many, and the seed of their draw.
        space: that they are drawn from.
        data_seed: of images, their scans and the backbone's pretraining.
        training: images to train on.
        validation: images that truth and scores are measured on.
        truth_steps: of a training alone.
        share: of the supernets' steps.
        adaptation: how a short one learns.
        first: of the architectures that figures are about.
    """

    work: Path
    rows: Path
    trainings: Mapping[str, Training]
    architectures: int
    seed: int
    space: Mapping[str, Any] = field(default_factory=lambda: SPACE)
    data_seed: int = 0
    training: int = 1024
    validation: int = 200
    truth_steps: int = 900
    share: float = 1.0
    adaptation: Adaptation = ADAPTATION
    first: int = 0


class Bench:
    """Everything that is measured, resumable row by row."""

    def __init__(self, study: Study) -> None:
        """Read the rows that are there."""
        self.study, rows = study, study.rows
        self.truth, self.scores = Rows(rows / "truth.jsonl"), Rows(rows / "scores.jsonl")
        self.paces, self.trainings = Rows(rows / "paces.jsonl"), Rows(rows / "trainings.jsonl")

    @cached_property
    def dataset(self) -> Path:
        """The images."""
        study = self.study
        return make_digits(
            study.work / "digits", seed=study.data_seed, train=study.training, val=study.validation
        )

    @cached_property
    def backbone(self) -> BackboneSpec:
        """A backbone pretrained as a classifier, to be frozen."""
        file = self.study.work / "backbone.safetensors"
        if not file.exists():
            began, steps = time.monotonic(), max(10, round(Pretraining().steps * self.study.share))
            right = pretrain(file, Pretraining(steps, data_seed=self.study.data_seed))
            _say(f"backbone pretrained in {time.monotonic() - began:.0f} s, {right:.2f} classified rightly")
        return BackboneSpec("plain", str(file), frozen=True)

    def first_weights(self) -> AccuracyEvaluator:
        """Return the scorer of a supernet that was never trained: the backbone's features, the images."""
        folder = self.study.work / "first_weights"
        dataset = CocoDetection.open(self.dataset, "train")
        write_detector(folder, build_detector(self.spec("single_path", 1, 0), dataset, IMAGE))
        return AccuracyEvaluator(folder, self.dataset)

    def spec(
        self, rule: str, steps: int, seed: int, options: Mapping[str, float] = NO_OPTIONS
    ) -> TrainingSpec:
        """Return a supernet's training on the frozen backbone."""
        return TrainingSpec(
            str(self.dataset),
            space=self.study.space,
            backbone=self.backbone,
            rule=rule,
            rule_options=options,
            steps=steps,
            subnets=4,
            seed=seed,
        )

    def steps(self, training: Training) -> int:
        """Return the steps of the rule that take the training's time."""
        whole = max(10, round(training.time * self.study.share))
        if training.rule == "single_path":
            return whole
        self.measure_paces()
        own, other = (self.paces.find(rule=name) for name in (training.rule, "single_path"))
        assert own is not None and other is not None
        return max(4, round(whole * float(other["cpu_ms"]) / float(own["cpu_ms"])))

    def measure_paces(self) -> None:
        """Time a step of each rule, mean over the course of a training, on one thread."""
        if all(self.paces.find(rule=rule) for rule in RULES):
            return
        trainer = build_trainer(self.spec("single_path", 1000, 0))
        made = {rule: _load_rule(rule, trainer) for rule in RULES}
        spent = dict.fromkeys(RULES, 0.0)
        for step in np.linspace(0, 999, TIMED_STEPS).round().astype(int).tolist():
            for name, trainer.rule in made.items():
                began = time.process_time()
                trainer.advance(step)
                spent[name] += time.process_time() - began
        for name, seconds in spent.items():
            self.paces.add({"rule": name, "cpu_ms": round(1e3 * seconds / TIMED_STEPS, 3)})

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Uniformly drawn, distinct by key."""
        space, rng = Space.load(self.study.space), np.random.default_rng(self.study.seed)
        found: dict[str, Architecture] = {}
        while len(found) < self.study.architectures:
            drawn = space.architecture(space.sample(rng))
            found.setdefault(drawn.key, drawn)
        return list(found.values())

    def evaluator(self, name: str, seed: int) -> AccuracyEvaluator:
        """Return the scorer of a trained supernet, training it first."""
        return AccuracyEvaluator(self._trained(name, seed), self.dataset)

    def _trained(self, name: str, seed: int) -> Path:
        """Return the folder of a trained supernet, training it first, unless it is there."""
        folder, training = self.study.work / f"{name}-{seed}", self.study.trainings[name]
        if (folder / "supernet.json").exists():
            return folder
        spec = self.spec(training.rule, self.steps(training), seed, training.options)
        if training.begins:  # other images and architectures in each step than before
            begun = str(self._trained(training.begins, seed))
            spec = replace(spec, warm_start=begun, seed=1000 + seed)
        cpu_ms = _train(spec, folder)
        row = {"training": name, "rule": training.rule, "seed": seed, "steps": spec.steps}
        self.trainings.add({**row, "cpu_ms_a_step": cpu_ms})
        return folder

    def measure_truth(self, seed: int) -> None:
        """Train every architecture alone with that seed, as far as it is not measured yet."""
        missing = [a for a in self.architectures if not self.truth.find(key=a.key, seed=seed)]
        if not missing:
            return
        scorer = self.first_weights()
        recipe = replace(scorer.detector.spec, seed=100 + seed)
        for architecture in missing:
            began = time.monotonic()
            model = fresh(scorer.detector.task, architecture, seed=100 + seed)
            spec = AloneSpec(self.study.truth_steps, first_step=100_000 * (seed + 1))
            train_alone(model, scorer.detector.task, scorer.training_features, spec, recipe)
            outcome = scorer.outcome_alone(model)
            self.truth.add(
                {
                    "key": architecture.key,
                    "seed": seed,
                    "ap": outcome.precision.ap,
                    "loss": outcome.loss,
                    "width": architecture.nodes[-1].width,
                    "parameters": architecture.parameters(),
                    "macs": architecture.macs(IMAGE),
                    "seconds": time.monotonic() - began,
                }
            )
            _say(f"truth seed {seed}: {len(self.truth.rows)} rows, AP {outcome.precision.ap:.3f}")

    def measure_scores(self, name: str, seed: int) -> None:
        """Score every architecture by one supernet: inherited, then adapted as a shortlist is."""

        def scores(scorer: AccuracyEvaluator, architecture: Architecture) -> dict[str, Any]:
            loss = scorer.outcome(architecture, precision=False).loss
            return {"inherited": {"loss": loss}} | self._adapted(scorer, architecture, ADAPTED_STEPS[0])

        self._measure(name, seed, "inherited", scores)

    def measure_finalists(self, name: str, seed: int) -> None:
        """Score every architecture after a longer adaptation, as finalists are."""
        steps = ADAPTED_STEPS[1]
        self._measure(name, seed, f"adapted{steps}", lambda scorer, a: self._adapted(scorer, a, steps))

    def _adapted(self, scorer: AccuracyEvaluator, architecture: Architecture, steps: int) -> dict[str, Any]:
        model = scorer.adapted(architecture, steps, self.study.adaptation)
        after = scorer.outcome_alone(model)
        return {f"adapted{steps}": {"ap": after.precision.ap, "loss": after.loss}}

    def _measure(
        self,
        name: str,
        seed: int,
        source: str,
        scores: Callable[[AccuracyEvaluator, Architecture], dict[str, Any]],
    ) -> None:
        """Add a row with what `scores` returns for each architecture that has none with `source`."""
        own = [r for r in self.scores.rows if (r["training"], r["seed"]) == (name, seed) and source in r]
        done = {row["key"] for row in own}
        missing = [a for a in self.architectures if a.key not in done]
        if not missing:
            return
        scorer = self.evaluator(name, seed)
        for architecture in missing:
            row = {"key": architecture.key, "training": name, "seed": seed}
            self.scores.add(row | scores(scorer, architecture))
        _say(f"scored {len(missing)} architectures by {name}, seed {seed}: {source}")

    def figures(self, prefix: str = "") -> list[Figure]:
        """Return all figures that the measured rows allow; `prefix` marks those without a supernet."""
        own = {architecture.key for architecture in self.architectures[self.study.first :]}
        truth = [row for row in self.truth.rows if row["key"] in own]
        return figures(truth, self.scores, self.trainings, tuple(self.study.trainings), prefix)


def _load_rule(name: str, trainer: Trainer) -> Rule:
    spec = trainer.spec
    plan = Plan(trainer.detector.space, spec.steps, spec.subnets, spec.batch_size, OPTIONS.get(name, {}))
    return load_rule(name, plan)


def _train(spec: TrainingSpec, folder: Path) -> float:
    """Train, and return the CPU milliseconds of a step as this session found them."""
    marks: list[tuple[float, int]] = []
    for event in train(replace(spec, event_every=max(1, spec.steps // 40)), folder):
        marks.append((time.process_time(), event.step))
        _say(f"{folder.name}: step {event.step} of {event.total}, loss {event.loss}, {event.eta_s} s to go")
    (began, first), (ended, last) = marks[0], marks[-1]
    return round(1e3 * (ended - began) / max(last - first, 1), 3)


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
