"""Spaces: samples a second with keys; random architectures run, counted, extracted and told apart.

`--quick` takes about a minute: fewer samples, the same checks.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from benchmarks import form
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
_SMALLEST, _LARGEST = 17, 333
"""Side of the image in pixels."""


def measure(*, quick: bool) -> list[Figure]:
    """Return the figures of every space: rates one after another, then the checks on all cores."""
    torch.set_num_threads(1)
    names = spaces.names()
    figures = [_rate(Space.load(name), 1000 if quick else 5000) for name in names]
    chunks = [(name, 30 if quick else 100, seed) for name in names for seed in range(1 if quick else 10)]
    samples = 1000 if quick else 10_000
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        keys = [pool.submit(_keys_of, name, samples) for name in names]
        found = [pool.submit(_faults_of, *chunk) for chunk in chunks]
        figures += [_key_figure(name, samples, *key.result()) for name, key in zip(names, keys, strict=True)]
        results = [(chunk[0], chunk[1], task.result()) for chunk, task in zip(chunks, found, strict=True)]
    return figures + [_fault_figure(name, results) for name in names]


def _keys_of(name: str, number: int) -> tuple[int, int]:
    torch.set_num_threads(1)
    return false_keys(Space.load(name), number, seed=2)


def _faults_of(name: str, number: int, seed: int) -> list[str]:
    torch.set_num_threads(1)
    return list(faults(Space.load(name), number, seed=seed))


def _key_figure(name: str, number: int, wrong: int, twins: int) -> Figure:
    detail = f"{number} samples, {twins} pairs of genotypes with one key compared; mutants of a tenth"
    return Figure(f"{name}_false_keys", wrong, "pairs", detail=detail)


def _fault_figure(name: str, results: Sequence[tuple[str, int, list[str]]]) -> Figure:
    mine = [(number, found) for space, number, found in results if space == name]
    every = [fault for _, found in mine for fault in found]
    number = sum(number for number, _ in mine)
    detail = "; ".join(every[:3]) or f"{number} built, run at 17-333 px, counted, extracted"
    return Figure(f"{name}_faults", len(every), "architectures", detail=detail)


def _rate(space: Space, number: int) -> Figure:
    """Draw, build and key in five rounds; the value is the median round's."""
    rates = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        start = time.process_time()
        for _ in range(number // 5):
            assert space.architecture(space.sample(rng)).key
        rates.append(number // 5 / (time.process_time() - start))
    median = float(np.median(rates))
    detail = f"{number} samples on one core, a second of its time; the space has {space.size():,} genotypes"
    name = f"{space.name}_samples_per_s"
    return Figure(name, median, "1/s", detail=detail, low=min(rates), high=max(rates))


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

    Wrong are two that have one key and differ, and a mutant with another key that does not differ.
    """
    rng = np.random.default_rng(seed)
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
