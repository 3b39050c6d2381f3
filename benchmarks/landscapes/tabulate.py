"""Score every neck of a narrowed fusion grid by the weights of a trained supernet, and keep the table.

    neckline datasets make digits DATASET && train the demo's supernet into SUPERNET
    python -m benchmarks.landscapes.tabulate SUPERNET DATASET --workers 2

2,500 necks, about a tenth of a second each on one core: by validation loss, since suppressing boxes
makes average precision four times as dear. An interrupted run goes on where it stopped.
"""

import argparse
import gzip
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks.landscapes.table import DATA
from evaluators.accuracy import AccuracyEvaluator
from search.evaluation import Genotype
from search.strategies.exhaustive import everything
from search_space.space import Space

NARROWED = {
    "stages": [2],
    "widths": [32, 48],
    "fusions": ["sum", "fast"],
    "ops": ["dw3", "conv3"],
    "places": ["inside"],
    "downs": ["pool"],
}
METRICS = ("val_loss",)
CHUNK = 25
IMAGES, CALIBRATED = 64, 32
"""Validation images scored, and training images that re-estimate the norm statistics."""

_evaluators: dict[tuple[str, str], AccuracyEvaluator] = {}


def narrowed(supernet: Path) -> Space:
    """Return the table's space: that of the supernet with fewer choices."""
    record = json.loads((supernet / "supernet.json").read_text(encoding="utf-8"))
    return Space.load({**record["space"], **NARROWED})


def scored(supernet: str, dataset: str, genotypes: list[Genotype]) -> list[list[float]]:
    """Return the loss of each genotype, rounded; one evaluator a process."""
    torch.set_num_threads(1)
    if (supernet, dataset) not in _evaluators:
        _evaluators[supernet, dataset] = AccuracyEvaluator(
            supernet, dataset, images=IMAGES, calibration_images=CALIBRATED
        )
    evaluator, space = _evaluators[supernet, dataset], narrowed(Path(supernet))
    graphs = map(space.architecture, genotypes)
    return [[round(evaluator.outcome(graph, precision=False).loss, 5)] for graph in graphs]


def tabulate(supernet: Path, dataset: Path, workers: int, part: Path) -> Iterator[int]:
    """Score what the lines of `part` lack and append them; yield how many there are after each chunk."""
    genotypes = everything(narrowed(supernet))
    done = len(part.read_text(encoding="utf-8").splitlines()) if part.exists() else 0
    chunks = [list(genotypes[start : start + CHUNK]) for start in range(done, len(genotypes), CHUNK)]
    with ProcessPoolExecutor(workers) as pool, part.open("a", encoding="utf-8") as file:
        for rows in pool.map(scored, [str(supernet)] * len(chunks), [str(dataset)] * len(chunks), chunks):
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            done += len(rows)
            yield done


def pack(supernet: Path, part: Path, path: Path) -> None:
    """Write the table: its space, its columns, and one row a canonical genotype in order."""
    rows = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    space = narrowed(supernet)
    assert len(rows) == space.size(), f"{len(rows)} rows of {space.size()}"
    scoring = {"images": IMAGES, "calibration_images": CALIBRATED}
    content = {
        "schema_version": 1,
        "space": space.spec(),
        "scoring": scoring,
        "columns": METRICS,
        "rows": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))


def main() -> None:
    """Read the command line, tabulate and pack."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("supernet", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=DATA)
    options = parser.parse_args()
    os.nice(5)
    part = options.supernet / "table.jsonl"
    for done in tabulate(options.supernet, options.dataset, options.workers, part):
        print(f"{done} scored", flush=True)
    pack(options.supernet, part, options.output)


if __name__ == "__main__":
    main()
