"""Does the order that shared weights give agree with the order that training alone gives?

Architectures are drawn uniformly and deduplicated by key. The truth of each is the mean AP of two trainings
alone, neck and head from first weights on the cached features of a frozen backbone that was pretrained as a
classifier, see `pretraining`. Each supernet trains on the same features. Every measured row is appended to
`benchmarks/results/ranking/*.jsonl` as soon as it is there: run again to go on.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.pretraining import Pretraining, pretrain
from benchmarks.ranking_table import ADAPTATION, TRUTH_SEEDS, figures
from benchmarks.rows import Rows
from evaluators.accuracy import AccuracyEvaluator
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

ROWS = Path(__file__).parent / "results" / "ranking"
WORK = Path("artifacts/ranking-pretrained")
SPACE: dict[str, Any] = {"space": "fusion_grid", "stages": [1, 2], "widths": [16, 32, 48]}
IMAGE = (128, 128)
NO_OPTIONS: Mapping[str, float] = {}
ARCHITECTURES = 30
ARCHITECTURE_SEED = 2027
TRUTH_STEPS = 900
SEEDS = (0, 1, 2)
RULES = ("single_path", "sandwich", "sorted", "multi_arch", "progressive", "differentiable")
COMPARED_STEPS = 2400
"""Of `single_path` in the comparison of the rules; the others make as many as take the same time."""


@dataclass(frozen=True)
class Training:
    """Supernets of one rule.

    Attributes:
        rule: of the training.
        time: in steps of `single_path`.
        seeds: how many supernets.
        options: of the rule, by name.
    """

    rule: str
    time: int
    seeds: int
    options: Mapping[str, float] = field(default_factory=dict)


OPTIONS: dict[str, dict[str, float]] = {"single_path": {"candidates": 8}, "sandwich": {"kickstart": 0.0}}
STEPS = 8000
TRAININGS = {
    "single_path": Training("single_path", STEPS, 3, OPTIONS["single_path"]),
    "uniform_single_path": Training("single_path", STEPS, 1),
}
"""By name; what searches are to use, the same without candidates, and then every rule at equal time."""
TRAININGS |= {
    f"equal_time_{rule}": Training(rule, COMPARED_STEPS, 1, OPTIONS.get(rule, {})) for rule in RULES
}
TIMED_STEPS = 24

TARGETS = {
    "architectures": Target(">=", 30),
    "single_path_adapted50_reach": Target(">=", 1.0),
    "single_path_adapted50_within_width": Target(">=", 0.70),
    "single_path_inherited_tau": Target(">=", 0.65),
    "single_path_adapted50_equal_macs_low": Target(">=", 0.001),
    "single_path_adapted50_regret": Target("<=", 0.02),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    architectures: int = ARCHITECTURES
    truth_steps: int = TRUTH_STEPS
    share: float = 1.0
    """Of the supernets' steps."""


class Bench:
    """Everything that is measured, resumable row by row."""

    def __init__(self, work: Path, rows: Path, sizes: Sizes) -> None:
        """Keep data and supernets in `work`, measured rows in `rows`."""
        self.work, self.sizes = work, sizes
        self.truth, self.scores = Rows(rows / "truth.jsonl"), Rows(rows / "scores.jsonl")
        self.paces, self.trainings = Rows(rows / "paces.jsonl"), Rows(rows / "trainings.jsonl")
        self.dataset = make_digits(work / "digits", seed=0)

    @cached_property
    def backbone(self) -> BackboneSpec:
        """A backbone pretrained as a classifier, to be frozen."""
        file = self.work / "backbone.safetensors"
        if not file.exists():
            began, steps = time.monotonic(), max(10, round(Pretraining().steps * self.sizes.share))
            right = pretrain(file, Pretraining(steps))
            _say(f"backbone pretrained in {time.monotonic() - began:.0f} s, {right:.2f} classified rightly")
        return BackboneSpec("plain", str(file), frozen=True)

    def first_weights(self) -> AccuracyEvaluator:
        """Return the scorer of a supernet that was never trained: the backbone's features, the images."""
        folder = self.work / "first_weights"
        dataset = CocoDetection.open(self.dataset, "train")
        write_detector(folder, build_detector(self.spec("single_path", 1, 0), dataset, IMAGE))
        return AccuracyEvaluator(folder, self.dataset)

    def spec(
        self, rule: str, steps: int, seed: int, options: Mapping[str, float] = NO_OPTIONS
    ) -> TrainingSpec:
        """Return a supernet's training on the frozen backbone."""
        return TrainingSpec(
            str(self.dataset),
            space=SPACE,
            backbone=self.backbone,
            rule=rule,
            rule_options=options,
            steps=steps,
            subnets=4,
            seed=seed,
        )

    def steps(self, training: Training) -> int:
        """Return the steps of the rule that take the training's time."""
        whole = max(10, round(training.time * self.sizes.share))
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
        space, rng = Space.load(SPACE), np.random.default_rng(ARCHITECTURE_SEED)
        found: dict[str, Architecture] = {}
        while len(found) < self.sizes.architectures:
            drawn = space.architecture(space.sample(rng))
            found.setdefault(drawn.key, drawn)
        return list(found.values())

    def evaluator(self, name: str, seed: int) -> AccuracyEvaluator:
        """Return the scorer of a trained supernet, training it first."""
        folder = self.work / f"{name}-{seed}"
        if not (folder / "supernet.json").exists():
            training = TRAININGS[name]
            spec = self.spec(training.rule, self.steps(training), seed, training.options)
            cpu_ms = _train(spec, folder)
            row = {"training": name, "rule": training.rule, "seed": seed, "steps": spec.steps}
            self.trainings.add({**row, "cpu_ms_a_step": cpu_ms})
        return AccuracyEvaluator(folder, self.dataset)

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
            spec = AloneSpec(self.sizes.truth_steps, first_step=100_000 * (seed + 1))
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
            found = scorer.outcome(architecture)
            inherited = {"inherited": {"ap": found.precision.ap, "loss": found.loss}}
            return inherited | _adapted(scorer, architecture, ADAPTATION[0])

        self._measure(name, seed, "inherited", scores)

    def measure_finalists(self, seed: int) -> None:
        """Score every architecture after a longer adaptation, as finalists are."""
        name, steps = "single_path", ADAPTATION[1]
        self._measure(name, seed, f"adapted{steps}", lambda scorer, a: _adapted(scorer, a, steps))

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

    def run(self) -> None:
        """Measure everything, what matters most first."""
        for part in PARTS:
            self.run_part(part)

    def run_part(self, part: str) -> None:
        """Measure one part: the paces, the truth of a seed, or one supernet of a rule."""
        name, _, seed = part.partition("-")
        if name == "paces":
            self.measure_paces()
        elif name == "truth":
            self.measure_truth(int(seed))
        elif name == FINALISTS:
            self.measure_finalists(int(seed))
        else:
            self.measure_scores(name, int(seed))

    def figures(self) -> list[Figure]:
        """Return all figures that the measured rows allow."""
        return figures(self.truth, self.scores, self.trainings, tuple(TRAININGS))


FINALISTS = "finalists"
PARTS = [
    *(f"truth-{seed}" for seed in TRUTH_SEEDS),
    "paces",
    *(f"{name}-{seed}" for name, training in TRAININGS.items() for seed in SEEDS[: training.seeds]),
    *(f"{FINALISTS}-{seed}" for seed in SEEDS),
]


def _adapted(scorer: AccuracyEvaluator, architecture: Architecture, steps: int) -> dict[str, Any]:
    after = scorer.outcome_alone(scorer.adapted(architecture, steps))
    return {f"adapted{steps}": {"ap": after.precision.ap, "loss": after.loss}}


def _load_rule(name: str, trainer: Trainer) -> Rule:
    spec = trainer.spec
    plan = Plan(trainer.detector.space, spec.steps, spec.subnets, spec.batch_size, OPTIONS.get(name, {}))
    return load_rule(name, plan)


def measure(*, quick: bool) -> list[Figure]:
    """Measure what is missing and return the figures; quick: eight architectures, few steps."""
    torch.set_num_threads(1)
    if not quick:
        bench = Bench(WORK, ROWS, Sizes())
        bench.run()
        return bench.figures()
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Path(folder), Sizes(architectures=8, truth_steps=30, share=0.006))
        bench.measure_scores("single_path", 0)
        bench.measure_truth(0)
        return bench.figures()


def measured(*, quick: bool) -> list[Figure]:
    """Return the figures of what is measured so far, and how many trainings are missing."""
    bench = Bench(WORK, ROWS, Sizes())
    done = Counter(f"{row['training']}-{row['seed']}" for row in bench.scores.rows if "inherited" in row)
    names = [f"{name}-{seed}" for name, t in TRAININGS.items() for seed in SEEDS[: t.seeds]]
    missing = [name for name in names if done[name] < bench.sizes.architectures]
    detail = "to be measured by running again: " + (", ".join(missing) or "none")
    return [*bench.figures(), Figure("supernets_missing", len(missing), "", detail=detail)]


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


def main() -> None:
    """Run the benchmark; `--part` measures a part; `--partial` prints, `--store` stores what is there."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--part", choices=PARTS)
    options, rest = parser.parse_known_args()
    if options.partial:
        for figure in measured(quick=False):
            ends = f"[{figure.low:.2f}, {figure.high:.2f}]" if figure.low is not None else ""
            print(f"{figure.name:40} {figure.value:8.3f} {ends:16} {figure.detail}")
        return
    if options.part:
        torch.set_num_threads(1)
        Bench(WORK, ROWS, Sizes()).run_part(options.part)
        return
    form.main("ranking", measured if options.store else measure, argv=rest)


if __name__ == "__main__":
    main()
