"""Train the demo's supernet and score every neck of its space, and keep the table.

    python -m benchmarks.landscapes.tabulate FOLDER --train
    python -m benchmarks.landscapes.tabulate FOLDER --shard 0/2     (beside it: --shard 1/2)
    python -m benchmarks.landscapes.tabulate FOLDER --calibrate
    python -m benchmarks.landscapes.tabulate FOLDER --pack

The stored table was made by these commands. The training, seed 0, takes 7 minutes on two cores; with two
threads its weights are those of `neckline demo`, bit for bit, and with another number the sums round
otherwise. Then 18,984 necks are scored by AP and loss on all 200 validation images, about 0.2 s each on one
core, so an hour; every hundredth is scored a second time as a search scores it, and must be equal. A shard
that was interrupted, or that ended after `--seconds`, goes on where it stopped. `--calibrate` fits a latency
predictor to this machine; without it the table has no latencies.
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.landscapes.alike import Alike
from benchmarks.landscapes.table import DATA, IMAGE
from evaluators.accuracy import AccuracyEvaluator
from evaluators.latency.calibrate import calibrate, finished
from evaluators.latency.predictor import Predictor
from search.evaluation import Genotype
from search.strategies.exhaustive import everything
from search_space.space import Space
from supernet.data.digits import make_digits
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

METRICS: tuple[str, ...] = ("ap", "val_loss", "macs", "parameters")
CALIBRATED = 40
"""Necks whose latency is measured."""
SECONDS = 86_400.0
CHECKED = 100
"""One neck in so many is scored twice."""


class Folder:
    """Where the dataset, the supernet and the shards of a table lie."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.supernet = root, root / "digits", root / "supernet"
        self.predictor = root / "predictor.json"

    @property
    def space(self) -> Space:
        """The table's space: that of the demo's supernet."""
        return Space.load(TrainingSpec.demo("").space)

    def train(self) -> Iterator[str]:
        """Make the dataset and train the demo's supernet; yield what was done."""
        for event in train(TrainingSpec.demo(str(make_digits(self.data))), self.supernet):
            yield f"step {event.step} of {event.total}"

    def shard(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.root / f"shard_{number}.jsonl"

    def rows(self) -> dict[Genotype, list[float]]:
        """Return the scores of every neck that a shard holds."""
        lines = (
            line for path in self.root.glob("shard_*.jsonl") for line in path.read_text("utf-8").splitlines()
        )
        return {tuple(genotype): scores for genotype, scores in map(json.loads, lines)}


def tabulate(folder: Folder, number: int, count: int, seconds: float) -> Iterator[int]:
    """Score what no shard holds of each `count`-th neck from `number` on; yield how many were scored.

    Every `CHECKED`-th is scored by `AccuracyEvaluator` itself as well, and must be equal.
    """
    torch.set_num_threads(1)
    space, ends = folder.space, time.monotonic() + seconds
    evaluator = AccuracyEvaluator(folder.supernet, folder.data)
    scorer, known = Alike(evaluator), folder.rows()
    mine = [genotype for genotype in everything(space)[number::count] if genotype not in known]
    with folder.shard(number).open("a", encoding="utf-8") as file:
        for done, genotype in enumerate(mine):
            if time.monotonic() > ends:
                return
            neck = space.architecture(genotype)
            row = rounded(*scorer.score(neck))
            if done % CHECKED == 0:
                plain = evaluator.outcome(neck)
                assert row == rounded(plain.precision.ap, plain.loss), f"{genotype}: {row}, {plain}"
            file.write(json.dumps([genotype, row]) + "\n")
            file.flush()
            yield done + 1


def rounded(ap: float, loss: float) -> list[float]:
    """Return AP and loss as they are stored."""
    return [round(ap, 5), round(loss, 5)]


def fitted(folder: Folder) -> Path:
    """Write the latency predictor of this machine under ONNX Runtime, one thread, and return its file."""
    events = calibrate("onnxruntime_cpu", folder.space, CALIBRATED, image_size=IMAGE, seed=0)
    folder.predictor.write_text(finished(events).predictor.to_json(), encoding="utf-8")
    return folder.predictor


def pack(folder: Folder, path: Path) -> None:
    """Write the table: its space, its columns, and one row a canonical genotype in order."""
    space, rows = folder.space, folder.rows()
    missing = [genotype for genotype in everything(space) if genotype not in rows]
    assert not missing, f"{len(missing)} of {space.size()} necks are not scored yet"
    graphs = {genotype: space.architecture(genotype) for genotype in everything(space)}
    table = [[*rows[g], graph.macs(IMAGE), graph.parameters()] for g, graph in graphs.items()]
    columns = METRICS
    if folder.predictor.exists():
        known = Predictor.from_json(folder.predictor.read_text(encoding="utf-8"))
        latencies = [round(known.predict(graph).value, 5) for graph in graphs.values()]
        table = [[*row, latency] for row, latency in zip(table, latencies, strict=True)]
        columns = (*METRICS, "latency_ms")
    content: dict[str, Any] = {
        "schema_version": 2,
        "space": space.spec(),
        "latency": "onnxruntime_cpu, one thread, predicted",
        "columns": columns,
        "rows": table,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))


def main() -> None:
    """Read the command line, then train, score a shard, or pack."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--train", action="store_true")
    step.add_argument("--shard", metavar="K/N")
    step.add_argument("--calibrate", action="store_true")
    step.add_argument("--pack", action="store_true")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which a shard ends")
    parser.add_argument("--output", type=Path, default=DATA)
    options = parser.parse_args()
    folder = Folder(options.folder)
    if options.train:
        for text in folder.train():
            print(text, flush=True)
    elif options.shard:
        number, _, count = options.shard.partition("/")
        for done in tabulate(folder, int(number), int(count), options.seconds):
            if done % 100 == 0:
                print(f"{done} scored", flush=True)
    elif options.calibrate:
        print(fitted(folder))
    else:
        pack(folder, options.output)


if __name__ == "__main__":
    main()
