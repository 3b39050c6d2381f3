"""Does the order that shared weights give agree with the order that training alone gives?

Architectures are drawn uniformly and deduplicated by key. The truth of each is the mean AP of two trainings
alone, neck and head from first weights on the cached features of a frozen backbone. Each supernet trains on
the same features. Every measured row is appended to `benchmarks/results/ranking/*.jsonl` as soon as it is
there: run again to go on.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.ranking_statistics import (
    Floats,
    Statistic,
    concordance,
    interval,
    regret,
    rho,
    standardised,
    tau,
    top_half,
)
from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture
from search_space.space import Space
from supernet.backbone import BackboneSpec
from supernet.data.digits import make_digits
from supernet.detector import load_detector
from supernet.training.alone import AloneSpec, fresh, train_alone
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

ROWS = Path(__file__).parent / "results" / "ranking"
WORK = Path("artifacts/ranking")
SPACE: dict[str, Any] = {"space": "fusion_grid", "stages": [1, 2, 3], "widths": [16, 32, 48]}
BACKBONE_SPACE: dict[str, Any] = {
    "space": "fusion_grid",
    "stages": [1],
    "widths": [48],
    "paths": ["top_down"],
    "fusions": ["sum"],
    "ops": ["conv3"],
    "places": ["after"],
}
ARCHITECTURES = 30
TRUTH_STEPS = 900
TRUTH_SEEDS = (0, 1)
ADAPTATION = (50,)
SEEDS = (0, 1, 2)
RULES: dict[str, tuple[int, int]] = {
    "single_path": (2400, 3),
    "sandwich": (750, 1),
    "sorted": (600, 1),
    "multi_arch": (2000, 1),
}
"""By rule: steps that take about the same time, and supernet seeds."""
EQUAL_MACS = 0.10
"""Two architectures have equal MACs where they differ by less than this share."""

TARGETS = {
    "single_path_adapted50_tau": Target(">=", 0.85),
    "single_path_adapted50_within_width": Target(">=", 0.70),
    "single_path_inherited_tau": Target(">=", 0.65),
    "single_path_adapted50_equal_macs_low": Target(">=", 0.0),
    "single_path_adapted50_regret": Target("<=", 0.02),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    architectures: int = ARCHITECTURES
    truth_steps: int = TRUTH_STEPS
    share: float = 1.0
    """Of the supernets' steps."""


class Rows:
    """Measured rows, one JSON object a line, each under the fields that identify it."""

    def __init__(self, file: Path) -> None:
        """Read what is there."""
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text().splitlines() if file.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def find(self, **fields: object) -> dict[str, Any] | None:
        """Return the row with these fields."""
        return next((row for row in self.rows if all(row.get(k) == v for k, v in fields.items())), None)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self.rows.append(row)
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")


class Bench:
    """Everything that is measured, resumable row by row."""

    def __init__(self, work: Path, rows: Path, sizes: Sizes) -> None:
        """Keep data and supernets in `work`, measured rows in `rows`."""
        self.work, self.sizes = work, sizes
        self.truth, self.scores = Rows(rows / "truth.jsonl"), Rows(rows / "scores.jsonl")
        self.dataset = make_digits(work / "digits", seed=0)

    @cached_property
    def backbone(self) -> BackboneSpec:
        """A backbone trained with an FPN on the same images, to be frozen."""
        file = self.work / "backbone.safetensors"
        if not file.exists():
            spec = TrainingSpec(
                str(self.dataset),
                space=BACKBONE_SPACE,
                rule="single_path",
                steps=max(20, round(700 * self.sizes.share)),
            )
            _drain(spec, self.work / "backbone")
            model = load_detector(self.work / "backbone").backbone.model
            save_file({name: t.contiguous() for name, t in model.state_dict().items()}, file)
        return BackboneSpec("plain", str(file), frozen=True)

    def spec(self, rule: str, steps: int, seed: int) -> TrainingSpec:
        """Return a supernet's training on the frozen backbone."""
        subnets = {"single_path": 1}.get(rule, 4)
        options = {"kickstart": 0.0} if rule == "sandwich" else {}
        return TrainingSpec(
            str(self.dataset),
            space=SPACE,
            backbone=self.backbone,
            rule=rule,
            rule_options=options,
            steps=steps,
            subnets=subnets,
            seed=seed,
        )

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Uniformly drawn, distinct by key."""
        space, rng = Space.load(SPACE), np.random.default_rng(2026)
        found: dict[str, Architecture] = {}
        while len(found) < self.sizes.architectures:
            drawn = space.architecture(space.sample(rng))
            found.setdefault(drawn.key, drawn)
        return list(found.values())

    def evaluator(self, rule: str, seed: int) -> AccuracyEvaluator:
        """Return the scorer of a trained supernet, training it first."""
        folder = self.work / f"{rule}-{seed}"
        steps = max(10, round(RULES[rule][0] * self.sizes.share))
        if not (folder / "supernet.json").exists():
            began = time.monotonic()
            _drain(self.spec(rule, steps, seed), folder)
            (folder / "seconds.json").write_text(json.dumps(time.monotonic() - began))
        return AccuracyEvaluator(folder, self.dataset)

    def measure_truth(self, seed: int) -> None:
        """Train every architecture alone with that seed, as far as it is not measured yet."""
        missing = [a for a in self.architectures if not self.truth.find(key=a.key, seed=seed)]
        if not missing:
            return
        assert self.backbone.frozen
        scorer = AccuracyEvaluator(self.work / "backbone", self.dataset)
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
                    "macs": architecture.macs((128, 128)),
                    "seconds": time.monotonic() - began,
                }
            )
            _say(f"truth seed {seed}: {len(self.truth.rows)} rows, AP {outcome.precision.ap:.3f}")

    def measure_scores(self, rule: str, seed: int) -> None:
        """Score every architecture by one supernet: inherited, then adapted."""
        missing = [a for a in self.architectures if not self.scores.find(key=a.key, rule=rule, seed=seed)]
        if not missing:
            return
        scorer = self.evaluator(rule, seed)
        for architecture in missing:
            row: dict[str, Any] = {"key": architecture.key, "rule": rule, "seed": seed}
            found = scorer.outcome(architecture)
            row |= {"inherited": {"ap": found.precision.ap, "loss": found.loss}}
            for steps in ADAPTATION:
                after = scorer.outcome_alone(scorer.adapted(architecture, steps))
                row |= {f"adapted{steps}": {"ap": after.precision.ap, "loss": after.loss}}
            self.scores.add(row)
        _say(f"scored {len(missing)} architectures by {rule}, seed {seed}")

    def run(self) -> None:
        """Measure everything, what matters most first."""
        self.measure_scores("single_path", 0)
        for seed in TRUTH_SEEDS:
            self.measure_truth(seed)
        for rule, (_, seeds) in RULES.items():
            for seed in SEEDS[:seeds]:
                self.measure_scores(rule, seed)

    def run_part(self, part: str) -> None:
        """Measure one part: the truth of a seed, or the supernets of a rule."""
        if part.startswith("truth-"):
            self.measure_truth(int(part.removeprefix("truth-")))
            return
        for seed in SEEDS[: RULES[part][1]]:
            self.measure_scores(part, seed)


def figures(truth: Rows, scores: Rows) -> list[Figure]:
    """Return all figures that the measured rows allow."""
    table = Table(truth)
    if len(table.keys) < 4:
        return []
    found = list(table.baselines())
    for rule in RULES:
        seeds = sorted({row["seed"] for row in scores.rows if row["rule"] == rule})
        for source in ("inherited", *(f"adapted{steps}" for steps in ADAPTATION)):
            columns = [table.column(scores, rule, seed, source) for seed in seeds]
            measured = [column for column in columns if column is not None]
            if measured:
                found += table.judged(f"{rule}_{source}", measured)
    return found


class Table:
    """The truth of the architectures that have both seeds, or one where no second is there yet."""

    def __init__(self, truth: Rows) -> None:
        """Average over the seeds that all architectures have."""
        by_key: dict[str, dict[int, Mapping[str, Any]]] = {}
        for row in truth.rows:
            by_key.setdefault(row["key"], {})[row["seed"]] = row
        seeds = [s for s in TRUTH_SEEDS if sum(s in found for found in by_key.values()) >= 8]
        self.seeds = seeds or [TRUTH_SEEDS[0]]
        self.keys = [key for key, found in by_key.items() if all(seed in found for seed in self.seeds)]
        self.runs = np.array([[by_key[key][seed]["ap"] for key in self.keys] for seed in self.seeds])
        self.truth: Floats = self.runs.mean(0) if len(self.keys) else np.zeros(0)
        first = [by_key[key][self.seeds[0]] for key in self.keys]
        self.width = np.array([row["width"] for row in first], dtype=np.float64)
        self.parameters = np.array([row["parameters"] for row in first], dtype=np.float64)
        self.macs = np.array([row["macs"] for row in first], dtype=np.float64)

    def column(self, scores: Rows, rule: str, seed: int, source: str) -> Floats | None:
        """Return the negative validation loss by that supernet, or None where a score is missing."""
        rows = [scores.find(key=key, rule=rule, seed=seed) for key in self.keys]
        values = [-row[source]["loss"] for row in rows if row is not None]
        return np.array(values) if len(values) == len(self.keys) else None

    def baselines(self) -> Iterator[Figure]:
        """Yield what needs no supernet: the spread of the truth, its ceiling, the trivial orders."""
        what = f"{len(self.keys)} architectures, truth seeds {len(self.seeds)}"
        yield Figure("architectures", len(self.keys), "", detail=what)
        yield Figure("truth_spread", float(np.ptp(self.truth)), "AP", detail=f"lowest {self.truth.min():.3f}")
        if len(self.seeds) > 1:
            noise = float((self.runs[0] - self.runs[1]).std() / np.sqrt(2))
            yield Figure("seed_noise", noise, "AP", detail="standard deviation of one training")
            yield self._figure("ceiling_tau", tau, self.runs[0], self.runs[1], "one seed against the other")
        for name, values in (("width", self.width), ("parameters", self.parameters), ("macs", self.macs)):
            yield self._figure(f"baseline_{name}_tau", tau, self.truth, values, f"ordered by {name} alone")
        equal = self._equal_macs
        yield self._figure("baseline_macs_equal_macs", concordance, self.truth, self.macs, "by MACs", equal)

    @property
    def _equal_macs(self) -> Floats:
        """Logarithms of the MACs, scaled so that equal means a difference under a half."""
        return np.asarray(np.log(self.macs) / (2 * np.log1p(EQUAL_MACS)))

    def judged(self, name: str, columns: list[Floats]) -> Iterator[Figure]:
        """Yield the figures of one kind of score, the mean over supernet seeds."""
        several = f"negative validation loss, {len(columns)} supernet seeds"
        kinds: dict[str, tuple[Statistic, Floats | None]] = {
            "tau": (tau, None),
            "rho": (rho, None),
            "top_half": (top_half, None),
            "within_width": (concordance, self.width),
            "equal_macs": (concordance, self._equal_macs),
        }
        for kind, (statistic, groups) in kinds.items():
            figure = self._mean(f"{name}_{kind}", statistic, columns, several, groups)
            yield figure
            if kind == "equal_macs" and figure.low is not None:
                yield Figure(f"{name}_equal_macs_low", figure.low, "", detail="lower end of the interval")
        with_macs = [standardised(column) + standardised(np.log(self.macs)) for column in columns]
        yield self._mean(f"{name}_with_macs_tau", tau, with_macs, "z(-loss) + z(log MACs)", None)
        lost = float(np.mean([regret(self.truth, column) for column in columns]))
        yield Figure(f"{name}_regret", lost, "AP", detail="AP lost by taking the best score")

    def _mean(
        self, name: str, statistic: Statistic, columns: list[Floats], detail: str, groups: Floats | None
    ) -> Figure:
        made = [interval(statistic, self.truth, column, groups) for column in columns]
        ends = [float(np.mean([getattr(m, end) for m in made])) for end in ("value", "low", "high")]
        each = ", ".join(f"{m.value:.2f}" for m in made)
        return Figure(name, ends[0], "", detail=f"{detail}: {each}", low=ends[1], high=ends[2])

    def _figure(
        self,
        name: str,
        statistic: Statistic,
        truth: Floats,
        score: Floats,
        detail: str,
        groups: Floats | None = None,
    ) -> Figure:
        made = interval(statistic, truth, score, groups)
        return Figure(name, made.value, "", detail=detail, low=made.low, high=made.high)


def measure(*, quick: bool) -> list[Figure]:
    """Measure what is missing and return the figures; quick: eight architectures, few steps."""
    torch.set_num_threads(1)
    if not quick:
        bench = Bench(WORK, ROWS, Sizes())
        bench.run()
        return figures(bench.truth, bench.scores)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Path(folder), Sizes(architectures=8, truth_steps=30, share=0.02))
        bench.measure_scores("single_path", 0)
        bench.measure_truth(0)
        return figures(bench.truth, bench.scores)


def _drain(spec: TrainingSpec, folder: Path) -> None:
    for event in train(replace(spec, event_every=100), folder):
        _say(f"{folder.name}: step {event.step} of {event.total}, loss {event.loss}, {event.eta_s} s to go")


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the benchmark; `--partial` prints what is measured so far, `--part` measures one part."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--part", choices=[f"truth-{seed}" for seed in TRUTH_SEEDS] + list(RULES))
    options, rest = parser.parse_known_args()
    if options.partial:
        for figure in figures(Rows(ROWS / "truth.jsonl"), Rows(ROWS / "scores.jsonl")):
            ends = f"[{figure.low:.2f}, {figure.high:.2f}]" if figure.low is not None else ""
            print(f"{figure.name:40} {figure.value:8.3f} {ends:16} {figure.detail}")
        return
    if options.part:
        torch.set_num_threads(1)
        Bench(WORK, ROWS, Sizes()).run_part(options.part)
        return
    form.main("ranking", measure, argv=rest)


if __name__ == "__main__":
    main()
