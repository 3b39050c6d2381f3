"""Does topology matter? Necks of equal MACs, trained alone on images whose classes lie at another scale.

On `digits-context` a small digit's class depends on the large outline around it, and the outline's class on
a small mark inside it. Every neck is trained by the same recipe on the cached features of one frozen
backbone, which was trained to detect digits, outlines and marks each for itself, on other images and behind
levels that never met: it knows the parts, each on its own level, and not which depends on which. A neck's
width is the one that brings neck and head nearest to the same MACs. Measured rows are appended to
`benchmarks/results/context/*.jsonl`: run again to go on. Necks of equal MACs are also ranked by a supernet,
see `context_ranking`.
"""

import argparse
import sys
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import form
from benchmarks.context_ranking import Ranking
from benchmarks.form import Figure, Target
from benchmarks.rows import Rows
from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.space import Space
from supernet.backbone import BackboneSpec
from supernet.data.coco import CocoDetection
from supernet.data.digits_context import NAMES, make_digits_context, make_digits_parts
from supernet.detection.head import head_of
from supernet.detector import load_detector
from supernet.training.alone import AloneSpec, fresh, train_alone
from supernet.training.run import build_detector, train, write_detector
from supernet.training.spec import TrainingSpec

ROWS = Path(__file__).parent / "results" / "context"
WORK = Path("artifacts/context")
SEEDS = (0, 1)
STEPS = 900
BACKBONE_STEPS = 600
BACKBONE_SPACE: dict[str, Any] = {
    "space": "fusion_grid",
    "stages": [1],
    "widths": [48],
    "paths": ["skip"],
    "skips": ["none"],
    "fusions": ["sum"],
    "ops": ["conv3"],
    "places": ["after"],
    "downs": ["conv"],
}
"""A lateral and one convolution a level."""
CHANNELS = {3: 64, 4: 96, 5: 128}
MACS = 14e6
"""Of neck and head together, for an image of 128 px."""
SIZE = (128, 128)
NECKS = ("no fusion", "fpn", "pafpn", "bifpn", "bottom_up")
TARGETS = {
    "best_beside_no_fusion": Target(">=", 0.05),
    "equal_macs_adapted_concordance": Target(">=", 0.5),
}
PARTS = ("necks", *(f"truth-{seed}" for seed in SEEDS), "supernet")


def no_fusion(width: int) -> Architecture:
    """Return a neck whose levels never meet: a lateral and one convolution each."""
    inputs = tuple(Input(f"c{level}", level, channels) for level, channels in CHANNELS.items())
    lateral = (Conv(width=width, kernel=1, bias=False), Norm())
    after = (Act(), Conv(width=width, kernel=3, bias=False), Norm())
    nodes = tuple(Node(f"n{i.level}", i.level, width, (Edge(i.id, lateral),), None, after) for i in inputs)
    return Architecture(inputs, nodes, tuple((node.level, node.id) for node in nodes))


def neck(name: str, width: int) -> Architecture:
    """Return the neck of that name and width."""
    if name == "no fusion":
        return no_fusion(width)
    options: dict[str, Any] = {"space": "fusion_grid", "channels": CHANNELS, "widths": [width]}
    if name == "bottom_up":
        options |= {"stages": [1], "paths": ["bottom_up"], "fusions": ["sum"], "ops": ["conv3"]}
        options |= {"places": ["after"], "downs": ["conv"]}
        space = Space.load(options)
        return space.architecture(space.largest())
    space = Space.load(options)
    return space.architecture(space.baselines()[name])


def total_macs(architecture: Architecture) -> int:
    """Return the MACs of neck and head."""
    return architecture.macs(SIZE) + head_of(architecture, len(NAMES)).macs(SIZE)


def matched(name: str) -> Architecture:
    """Return the neck with the width whose MACs are nearest to `MACS`."""
    return min((neck(name, width) for width in range(8, 97, 2)), key=lambda a: abs(total_macs(a) - MACS))


class Bench:
    """Everything that is measured, resumable row by row."""

    def __init__(self, work: Path, rows: Path, share: float) -> None:
        """Keep data and backbone in `work`; `share` shortens every training."""
        self.work, self.share, self.rows = work, share, Rows(rows / "rows.jsonl")
        self.dataset = make_digits_context(work / "data", seed=0)

    @cached_property
    def backbone(self) -> BackboneSpec:
        """A backbone that detects digits, outlines and marks each for itself, to be frozen."""
        folder = self.work / "parts_detector"
        file = folder / "plain.safetensors"
        if not file.exists():
            steps = max(10, round(BACKBONE_STEPS * self.share))
            parts = make_digits_parts(self.work / "parts", seed=0)
            spec = TrainingSpec(str(parts), space=BACKBONE_SPACE, rule="single_path", steps=steps)
            for event in train(replace(spec, event_every=100), folder):
                _say(f"backbone: step {event.step} of {event.total}, loss {event.loss}")
            model = load_detector(folder).backbone.model
            save_file({name: t.contiguous() for name, t in model.state_dict().items()}, file)
        return BackboneSpec("plain", str(file), frozen=True)

    def scorer(self) -> AccuracyEvaluator:
        """Return the scorer on that backbone; its neck and head are never used."""
        folder = self.work / "first_weights"
        spec = TrainingSpec(str(self.dataset), space=BACKBONE_SPACE, backbone=self.backbone, steps=1)
        dataset = CocoDetection.open(self.dataset, "train")
        write_detector(folder, build_detector(replace(spec, rule="single_path"), dataset, SIZE))
        return AccuracyEvaluator(folder, self.dataset)

    @cached_property
    def ranking(self) -> Ranking:
        """The ranking of necks of equal MACs."""
        rows = self.rows.folder
        return Ranking(
            self.work,
            rows,
            self.scorer,
            lambda: self.backbone,
            macs=MACS,
            count=total_macs,
            share=self.share,
        )

    def run(self) -> None:
        """Measure every part, as far as it is not measured yet."""
        for part in PARTS:
            self.run_part(part)

    def run_part(self, part: str) -> None:
        """Measure the table of necks, the truth of a seed, or the supernet's scores."""
        if part == "necks":
            self.measure_necks()
        elif part == "supernet":
            self.ranking.measure_scores()
        else:
            self.ranking.measure_truth(int(part.removeprefix("truth-")))

    def figures(self) -> list[Figure]:
        """Return what the measured rows allow."""
        return figures(self.rows) + self.ranking.figures()

    def measure_necks(self) -> None:
        """Train every neck of the table alone with every seed."""
        wanted = [
            (name, seed) for seed in SEEDS for name in NECKS if not self.rows.find(neck=name, seed=seed)
        ]
        if not wanted:
            return
        scorer = self.scorer()
        recipe = replace(scorer.detector.spec, seed=100)
        for name, seed in wanted:
            architecture = matched(name)
            model = fresh(scorer.detector.task, architecture, seed=100 + seed)
            steps = max(10, round(STEPS * self.share))
            spec = AloneSpec(steps, first_step=100_000 * (seed + 1))
            train_alone(model, scorer.detector.task, scorer.training_features, spec, recipe)
            precision = scorer.outcome_alone(model).precision
            found = {"ap": precision.ap, "ap_small": precision.small, "ap_large": precision.large}
            width, macs = architecture.nodes[-1].width, total_macs(architecture)
            self.rows.add({"neck": name, "seed": seed, "width": width, "macs": macs, **found})
            _say(f"{name}, seed {seed}: AP {precision.ap:.3f}")


def figures(rows: Rows) -> list[Figure]:
    """Return the table that the measured rows allow."""
    found: list[Figure] = []
    means: dict[str, float] = {}
    for name in NECKS:
        mine = [row for row in rows.rows if row["neck"] == name]
        if not mine:
            continue
        values = [row["ap"] for row in mine]
        means[name] = float(np.mean(values))
        small, large = (float(np.mean([row[key] for row in mine])) for key in ("ap_small", "ap_large"))
        size = f"width {mine[0]['width']}, {mine[0]['macs'] / 1e6:.1f} M MACs, {len(mine)} seeds"
        detail = f"small {small:.3f}, large {large:.3f}, {size}"
        label = name.replace(" ", "_")
        found.append(
            Figure(f"{label}_ap", means[name], "AP", detail=detail, low=min(values), high=max(values))
        )
    if "no fusion" in means and len(means) > 1:
        best = max((name for name in means if name != "no fusion"), key=means.__getitem__)
        gain = means[best] - means["no fusion"]
        found.append(Figure("best_beside_no_fusion", gain, "AP", detail=f"{best} beside no fusion"))
    return found


def measure(*, quick: bool) -> list[Figure]:
    """Measure what is missing and return the figures; quick: a few steps each, four topologies."""
    torch.set_num_threads(1)
    if not quick:
        bench = Bench(WORK, ROWS, 1.0)
        bench.run()
        return bench.figures()
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), Path(folder) / "rows", 0.02)
        bench.run()
        return bench.figures()


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the benchmark; `--part` measures one part."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--part", choices=PARTS)
    options, rest = parser.parse_known_args()
    if options.part:
        torch.set_num_threads(1)
        Bench(WORK, ROWS, 1.0).run_part(options.part)
        return
    form.main("context", measure, argv=rest)


if __name__ == "__main__":
    main()
