"""A small space of real architectures, and an evaluator whose true front can be counted out."""

import itertools
import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.score import Score
from search.evaluation import Genotype
from search.objectives import Constraint, Objective
from search.problem import Problem
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import NotInSpace
from search_space.ops.conv import Conv

WIDTHS = (8, 16, 24, 32)
KERNELS = (1, 3)
STAGES = 4


@dataclass(frozen=True)
class ChainGene:
    name: str
    choices: tuple[int | str, ...]
    ordinal: bool


class ChainSpace:
    """A chain of 1..4 convolutions, each with a width and a kernel; genes past the depth are inactive."""

    genes = (
        ChainGene("depth", (1, 2, 3, 4), ordinal=True),
        *(ChainGene(f"width_{stage}", WIDTHS, ordinal=True) for stage in range(STAGES)),
        *(ChainGene(f"kernel_{stage}", KERNELS, ordinal=False) for stage in range(STAGES)),
    )

    def active(self, genotype: Genotype) -> tuple[bool, ...]:
        used = [stage <= genotype[0] for stage in range(STAGES)]
        return (True, *used, *used)

    def canonical(self, genotype: Genotype) -> Genotype:
        return tuple(
            choice if active else 0 for choice, active in zip(genotype, self.active(genotype), strict=True)
        )

    def canonical_many(self, genotypes: np.ndarray) -> np.ndarray:
        return np.array([self.canonical(tuple(row)) for row in genotypes.tolist()])

    def active_many(self, genotypes: np.ndarray) -> np.ndarray:
        return np.array([self.active(tuple(row)) for row in genotypes.tolist()])

    def encode(self, genotype: Genotype) -> np.ndarray:
        parts = []
        for gene, choice, active in zip(self.genes, genotype, self.active(genotype), strict=True):
            levels = np.arange(len(gene.choices))
            parts.append(active * (levels <= choice if gene.ordinal else levels == choice))
        return np.concatenate(parts).astype(float)

    def sample(self, rng: np.random.Generator) -> Genotype:
        return self.canonical(tuple(int(rng.integers(len(gene.choices))) for gene in self.genes))

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        place = int(rng.integers(len(genotype)))
        changed = list(genotype)
        changed[place] = int(rng.integers(len(self.genes[place].choices)))
        return self.canonical(tuple(changed))

    def crossover(self, a: Genotype, b: Genotype, rng: np.random.Generator) -> Genotype:
        return self.canonical(tuple(x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True)))

    def architecture(self, genotype: Genotype) -> Architecture:
        nodes = []
        source = "p3"
        for stage in range(genotype[0] + 1):
            width, kernel = WIDTHS[genotype[1 + stage]], KERNELS[genotype[1 + STAGES + stage]]
            conv = Conv(width=width, kernel=kernel, share=f"stage_{stage}")
            nodes.append(Node(f"n{stage}", 3, width, (Edge(source),), None, (conv,)))
            source = f"n{stage}"
        return Architecture((Input("p3", 3, 16),), tuple(nodes), ((3, source),))

    def embed(self, architecture: Architecture) -> Genotype:
        convs = [op for node in architecture.nodes for op in node.ops]
        if not all(isinstance(op, Conv) and op.width in WIDTHS for op in convs):
            raise NotInSpace("not a chain of convolutions of these widths")
        rest = [0] * (STAGES - len(convs))
        return (
            len(convs) - 1,
            *[WIDTHS.index(op.width) for op in convs],
            *rest,
            *[KERNELS.index(op.kernel) for op in convs],
            *rest,
        )

    def corners(self) -> list[Genotype]:
        return [(0,) * len(self.genes), tuple(len(gene.choices) - 1 for gene in self.genes)]

    def size(self) -> int:
        return sum((len(WIDTHS) * len(KERNELS)) ** depth for depth in range(1, STAGES + 1))

    def everything(self) -> list[Genotype]:
        ranges = [range(len(gene.choices)) for gene in self.genes]
        return list(dict.fromkeys(self.canonical(choice) for choice in itertools.product(*ranges)))


def cheap(architecture: Architecture) -> tuple[Score, ...]:
    return (
        Score("macs", float(architecture.macs((64, 64))), "MACs", "counted"),
        Score("parameters", float(architecture.parameters()), "parameters", "counted"),
    )


def accuracy(architecture: Architecture) -> tuple[Score, ...]:
    """Saturating in width, better with alternating kernels: a smooth made-up truth."""
    gain = 0.0
    for stage, node in enumerate(architecture.nodes):
        conv = node.ops[0]
        assert isinstance(conv, Conv)
        gain += math.log(node.width) / (1 + stage) * (1.0 + 0.4 * (conv.kernel == (3 if stage % 2 else 1)))
    return (Score("ap", 1 - math.exp(-gain / 4), "1", "inherited", stderr=0.01),)


def problem(
    *constraints: Constraint, seed: int = 0, reference: tuple[float, ...] | None = (0.3, 4e5)
) -> Problem:
    return Problem(
        ChainSpace(),
        (Objective("ap"), Objective("macs")),
        constraints,
        seed=seed,
        cheap=cheap,
        reference=reference,
    )


def make_accuracy() -> object:
    return accuracy


@dataclass(frozen=True)
class Counting:
    """A factory whose evaluator notes each evaluation in a folder, by process."""

    folder: Path
    seconds: float = 0.0
    kill_once: str = ""
    kill_always: str = ""
    broken: str = ""

    def __call__(self, weights: object = None) -> object:
        def evaluate(architecture: Architecture) -> tuple[Score, ...]:
            with (self.folder / "evaluated").open("a") as file:
                file.write(f"{architecture.key} {os.getpid()}\n")
            self._misbehave(architecture.key)
            time.sleep(self.seconds)
            return accuracy(architecture)

        return evaluate

    def _misbehave(self, key: str) -> None:
        if key == self.broken:
            raise RuntimeError("no such weight")
        first = self.folder / "killed"
        if key == self.kill_always or (key == self.kill_once and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluated(self) -> list[str]:
        path = self.folder / "evaluated"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
