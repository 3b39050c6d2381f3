"""Spaces: samples a second with keys; random architectures run, counted, extracted and told apart.

`--quick` takes about a minute: fewer samples, the same checks. What a full run has finished is kept in
`artifacts/space` until it is complete: run again to go on. Changed sources start it anew.
"""

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import form
from benchmarks.disguises import disguised
from benchmarks.form import Figure, Target
from benchmarks.pairing import distinct_pairs, outputs_differ, paired, randomise
from evaluators.cost import count
from search_space import spaces
from search_space.architecture import Architecture
from search_space.space import Genotype, Space
from supernet.supernet import SuperNet

TARGETS = {
    "fusion_grid_samples_per_s": Target(">=", 2000.0),
    **{f"{name}_faults": Target("<=", 0.0) for name in spaces.names()},
    **{f"{name}_false_keys": Target("<=", 0.0) for name in spaces.names()},
}
SEEDS = tuple(range(10))
WORK = Path("artifacts/space")
_SMALLEST, _LARGEST = 17, 333
"""Side of the image in pixels."""


def measure(*, quick: bool) -> list[Figure]:
    """Return the figures of every space: rates one after another, then the checks on the cores allowed."""
    torch.set_num_threads(1)
    names = spaces.names()
    samples = 1000 if quick else 10_000
    parts = Parts(None if quick else WORK / "parts.jsonl")
    figures = [parts.rate(Space.load(name), 1000 if quick else 5000) for name in names]
    chunks = [(name, 30 if quick else 100, seed) for seed in range(1 if quick else 10) for name in names]
    parts.run([(_keys_of, (name, samples)) for name in names] + [(_faults_of, chunk) for chunk in chunks])
    figures += [_key_figure(name, samples, *parts.found(_keys_of, (name, samples))) for name in names]
    results = [(name, number, parts.found(_faults_of, (name, number, seed))) for name, number, seed in chunks]
    figures += [_fault_figure(name, results) for name in names]
    parts.drop()
    return figures


class Parts:
    """What has been measured, by function and arguments; appended to a file as soon as it is there."""

    def __init__(self, file: Path | None) -> None:
        """Read the parts of an earlier run of the same sources; None keeps them in memory only."""
        self._file, self._sources = file, _sources()
        self._rows: dict[str, Any] = {}
        if file is not None and file.exists():
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            self._rows = {row["part"]: row["found"] for row in rows if row["sources"] == self._sources}

    def found(self, function: Callable[..., Any], arguments: Sequence[object]) -> Any:
        """Return what a part came to.

        Raises:
            KeyError: it has not been measured.
        """
        return self._rows[_part(function, arguments)]

    def run(self, tasks: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
        """Measure the parts that are missing, one process a core that this one may use."""
        missing = [task for task in tasks if _part(*task) not in self._rows]
        if not missing:
            return
        workers = len(os.sched_getaffinity(0))
        with ProcessPoolExecutor(min(workers, len(missing)), mp_context=get_context("spawn")) as pool:
            running: dict[Future[Any], str] = {
                pool.submit(function, *arguments): _part(function, arguments)
                for function, arguments in missing
            }
            for task in as_completed(running):
                self._add(running[task], task.result())

    def rate(self, space: Space, number: int) -> Figure:
        """Return the space's rate, measured here, while nothing else of this benchmark runs."""
        part = _part(_rate, (space.name, number))
        if part not in self._rows:
            self._add(part, _rate(space, number))
        low, median, high = self._rows[part]
        detail = (
            f"{number} samples on one core, a second of its time; the space has {space.size():,} genotypes"
        )
        return Figure(f"{space.name}_samples_per_s", median, "1/s", detail=detail, low=low, high=high)

    def drop(self) -> None:
        """Forget the file; the figures hold all."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _add(self, part: str, found: Any) -> None:
        self._rows[part] = json.loads(json.dumps(found))
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.write(json.dumps({"sources": self._sources, "part": part, "found": found}) + "\n")


def _part(function: Callable[..., Any], arguments: Sequence[object]) -> str:
    return " ".join(map(str, (function.__name__.strip("_"), *arguments)))


def _sources() -> str:
    """Return a digest of all that the figures depend on."""
    root = Path(__file__).parents[1]
    folders = (
        "search_space",
        "supernet/ops",
        "evaluators/cost.py",
        "benchmarks/pairing.py",
        "benchmarks/disguises.py",
        "benchmarks/space.py",
    )
    files = [root / "supernet" / f"{name}.py" for name in ("graph", "subnet", "supernet", "weights")]
    for folder in folders:
        path = root / folder
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    read = [file.read_bytes() for file in files if file.parent.name != "drawing"]
    return hashlib.sha256(b"".join(read)).hexdigest()[:16]


def _keys_of(name: str, number: int) -> tuple[int, int]:
    torch.set_num_threads(1)
    return false_keys(Space.load(name), number, seed=2)


def _faults_of(name: str, number: int, seed: int) -> list[str]:
    torch.set_num_threads(1)
    return list(faults(Space.load(name), number, seed=seed))


def _key_figure(name: str, number: int, wrong: int, twins: int) -> Figure:
    detail = f"{number} samples, {twins} pairs with one key compared; mutants and disguises of a tenth"
    return Figure(f"{name}_false_keys", wrong, "pairs", detail=detail)


def _fault_figure(name: str, results: Sequence[tuple[str, int, list[str]]]) -> Figure:
    mine = [(number, found) for space, number, found in results if space == name]
    every = [fault for _, found in mine for fault in found]
    number = sum(number for number, _ in mine)
    detail = "; ".join(every[:3]) or f"{number} built, run at 17-333 px, counted, extracted"
    return Figure(f"{name}_faults", len(every), "architectures", detail=detail)


def _rate(space: Space, number: int) -> tuple[float, float, float]:
    """Draw, build and key in five rounds; return the lowest, the median and the highest rate, 1/s."""
    rates = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        start = time.process_time()
        for _ in range(number // 5):
            assert space.architecture(space.sample(rng)).key
        rates.append(number // 5 / (time.process_time() - start))
    return min(rates), float(np.median(rates)), max(rates)


def faults(space: Space, number: int, *, seed: int) -> Iterator[str]:
    """Yield what is wrong with each of `number` random architectures, where something is.

    Each is validated, run by the supernet at a random odd size, extracted, compared bit by bit and counted.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    supernet = SuperNet.over(space).eval()
    with torch.no_grad():
        for name, tensor in chain[tuple[str, Tensor]](supernet.named_parameters(), supernet.named_buffers()):
            randomise(name.rpartition(":")[2], tensor)
    for _ in range(number):
        genotype = space.sample(rng)
        fault = _fault(space, supernet, genotype, rng)
        if fault:
            yield f"{genotype}: {fault}"


def _fault(space: Space, supernet: SuperNet, genotype: Genotype, rng: np.random.Generator) -> str:
    built = space.architecture(genotype)
    architecture = Architecture(built.inputs, built.nodes, built.outputs)  # the space's own is not checked
    height, width = (int(side) | 1 for side in rng.integers(_SMALLEST, _LARGEST + 1, 2))
    features = features_of(space, height, width)
    with torch.no_grad():
        shared = supernet(features, architecture)
        subnet = supernet.extract(architecture)
        alone = subnet(features)
    if any(not torch.equal(shared[level], alone[level]) for level in shared):
        return f"the extracted neck's output differs at {height} x {width}"
    shapes = {level: shape.size for level, shape in architecture.output_shapes((height, width)).items()}
    if {level: tuple(x.shape[2:]) for level, x in alone.items()} != shapes:
        return f"the outputs' sizes differ from {shapes} at {height} x {width}"
    counted = count(subnet, features)
    mine = (architecture.parameters(), architecture.macs((height, width)))
    if (counted.params, counted.macs) != mine:
        return f"{mine} parameters and MACs, fvcore counts {counted} at {height} x {width}"
    return ""


def features_of(space: Space, height: int, width: int) -> dict[int, Tensor]:
    """Return random features of an image of height x width pixels."""
    levels = [entry.level for entry in space.architecture(space.smallest()).inputs]
    return {
        level: torch.randn(1, space.channels[level], -(-height // 2**level), -(-width // 2**level))
        for level in levels
    }


def false_keys(space: Space, number: int, *, seed: int) -> tuple[int, int]:
    """Return how many pairs of architectures a key gets wrong, and how many have one key.

    Wrong are two that have one key and differ, a disguise with another key, and a mutant with another key
    that does not differ.
    """
    rng, disguises = np.random.default_rng(seed), random.Random(seed)
    torch.manual_seed(seed)
    genotypes = {space.sample(rng): None for _ in range(number)}
    groups: dict[str, list[Architecture]] = {}
    wrong = 0
    for index, genotype in enumerate(genotypes):
        architecture = space.architecture(genotype)
        groups.setdefault(architecture.key, []).append(architecture)
        if index % 10 == 0:
            found = space.embed(architecture)
            if found != genotype:
                groups[architecture.key].append(space.architecture(found))
            other = disguised(architecture, disguises)
            wrong += other.key != architecture.key
            groups[architecture.key].append(other)
            mutant = space.architecture(space.mutate(genotype, rng))
            wrong += (mutant.key == architecture.key) != (paired(architecture, mutant) is not None)
    features = features_of(space, 65, 97)
    twins = list(distinct_pairs(groups))
    return wrong + sum(_differ(a, b, features) for a, b in twins), len(twins)


def _differ(a: Architecture, b: Architecture, features: dict[int, Tensor]) -> bool:
    pairs = paired(a, b)
    return pairs is None or outputs_differ(a, b, pairs, features)


if __name__ == "__main__":
    form.main("space", measure)
