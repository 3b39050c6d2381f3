"""A synthetic space of real graphs with an invented accuracy, whose true front is computed exactly.

A neck of three to six stages; each has an operation, a width, a kernel, an expansion and an activation.
MACs are those of the graph. The accuracy adds a worth a stage and one for each pair of neighbours, so
dynamic programming over (width, operation) of the last stage finds the front of all 10**18 architectures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.score import Score
from search.execution import Evaluator
from search.objectives import Objective
from search.pareto import front
from search.problem import Problem
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import NotInSpace
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.conv import Conv
from search_space.space import Gene, Genotype, Space

OPS = ("plain", "wide", "separable")
WIDTHS = (8, 16, 24, 32)
KERNELS = (1, 3, 5)
EXPANSIONS = (1, 2, 3)
ACTS = ("relu", "silu", "hard_swish", "gelu")
STAGES, FEWEST = 6, 3
IMAGE = (64, 64)
PIXELS = 8 * 8
GENES_A_STAGE = 5
SAMPLES = 400
"""Random necks whose mean worth and spread place the accuracies."""


class Choice(NamedTuple):
    """The choice indices of one stage."""

    op: int
    width: int
    kernel: int
    expansion: int
    act: int


@dataclass(frozen=True, eq=False)
class Stacked(Space):
    """See the module. `channels` are those of the backbone's one feature map."""

    name: ClassVar[str] = "stacked"
    channels: Mapping[int, int]

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The number of stages, then each stage's choices."""
        made = [Gene("stages", tuple(range(FEWEST, STAGES + 1)), ordinal=True)]
        for stage in range(STAGES):
            made += [
                Gene(f"op_{stage}", OPS),
                Gene(f"width_{stage}", WIDTHS, ordinal=True),
                Gene(f"kernel_{stage}", KERNELS, ordinal=True),
                Gene(f"expansion_{stage}", EXPANSIONS, ordinal=True),
                Gene(f"act_{stage}", ACTS),
            ]
        return tuple(made)

    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices that mean something: those of used stages; a plain one is not expanded."""
        if index == 0:
            return range(len(self.genes[0].choices))
        stage, part = divmod(index - 1, GENES_A_STAGE)
        if stage >= FEWEST + genotype[0]:
            return ()
        plain = genotype[1 + GENES_A_STAGE * stage] == OPS.index("plain")
        return () if part == 3 and plain else range(len(self.genes[index].choices))

    def stages(self, genotype: Genotype) -> tuple[Choice, ...]:
        """Return the choices of the stages in use."""
        parts = (genotype[1 + GENES_A_STAGE * stage :][:GENES_A_STAGE] for stage in range(STAGES))
        return tuple(Choice(*part) for part in list(parts)[: FEWEST + genotype[0]])

    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the chain of stages."""
        source, channels, nodes = "c3", self.channels[3], []
        for number, choice in enumerate(self.stages(self.canonical(genotype))):
            width = WIDTHS[choice.width]
            nodes.append(Node(f"s{number}", 3, width, (Edge(source),), None, _ops(choice, number, channels)))
            source, channels = f"s{number}", width
        return Architecture((Input("c3", 3, self.channels[3]),), tuple(nodes), ((3, source),))

    def embed(self, architecture: Architecture) -> Genotype:
        """Return the genotype of a chain of this space's stages.

        Raises:
            NotInSpace: it is no such chain.
        """
        chosen = [len(architecture.nodes) - FEWEST]
        for node in architecture.nodes:
            convs = [op for op in node.ops if isinstance(op, Conv)]
            chosen += _choice(convs, node.ops[-1])
        genotype = self.canonical(chosen + [0] * (len(self.genes) - len(chosen)))
        if self.architecture(genotype).key != architecture.key:
            raise NotInSpace(f"no genotype of {self.name} makes this architecture")
        return genotype

    def cover(self) -> list[Architecture]:
        """Return the largest architecture of each operation."""
        return [self.architecture(self.largest())]

    def baselines(self) -> dict[str, Genotype]:
        """Return nothing: no published neck is a chain."""
        return {}

    def size(self) -> int:
        """Return the exact number of canonical genotypes."""
        stage = len(WIDTHS) * len(KERNELS) * len(ACTS) * (1 + 2 * len(EXPANSIONS))
        return sum(stage**used for used in self.genes[0].choices if isinstance(used, int))


def _ops(choice: Choice, number: int, channels: int) -> tuple[Op, ...]:
    width, kernel = WIDTHS[choice.width], KERNELS[choice.kernel]
    wide = width * EXPANSIONS[choice.expansion]
    convs = {
        "plain": ((width, kernel, 1),),
        "wide": ((wide, kernel, 1), (width, 1, 1)),
        "separable": ((channels, kernel, 0), (wide, 1, 1), (width, 1, 1)),
    }[OPS[choice.op]]
    made = [
        Conv(width=out, kernel=side, groups=groups, share=f"s{number}.{OPS[choice.op]}.{place}")
        for place, (out, side, groups) in enumerate(convs)
    ]
    return (*made, Act(form=ACTS[choice.act]))  # type: ignore[arg-type]


def _choice(convs: Sequence[Conv], act: Op) -> Choice:
    kernel, last = convs[0].kernel, convs[-1].width
    wide = convs[-2].width if len(convs) > 1 else last
    if not 1 <= len(convs) <= len(OPS) or last not in WIDTHS or not isinstance(act, Act):
        raise NotInSpace("not a chain of this space's stages")
    return Choice(
        len(convs) - 1,
        WIDTHS.index(last),
        KERNELS.index(kernel),
        EXPANSIONS.index(wide // last),
        ACTS.index(act.form),
    )


def stage_macs(choice: Choice, channels: int) -> int:
    """Return the multiply-accumulates of one stage."""
    width, area = WIDTHS[choice.width], KERNELS[choice.kernel] ** 2
    wide = width * EXPANSIONS[choice.expansion]
    return (
        PIXELS
        * {
            "plain": channels * width * area,
            "wide": channels * wide * area + wide * width,
            "separable": channels * area + channels * wide + wide * width,
        }[OPS[choice.op]]
    )


class Truth:
    """The invented accuracy of a seed, and the front that follows."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 7])
        rise = np.cumsum(rng.gamma(1.5, 1.0, (STAGES, 3, len(WIDTHS))) * [1.0, 0.7, 0.5, 0.35], axis=2)
        self.weight = 0.6 ** np.arange(STAGES) + 0.25
        self.by_width = rise
        self.by_kernel = rng.normal(0, 0.5, (STAGES, 3, len(KERNELS))) + np.array([0.0, 0.9, 1.1])
        self.by_expansion = np.cumsum(rng.gamma(1.0, 0.4, (STAGES, 3, len(EXPANSIONS))), axis=2)
        self.by_expansion[:, OPS.index("plain")] = 0.0
        self.by_act = rng.normal(0, 0.4, (STAGES, len(ACTS)))
        self.by_pair = rng.normal(0, 0.5, (STAGES, 3, 3))
        self.by_step = -0.5 * np.abs(np.subtract.outer(np.arange(len(WIDTHS)), np.arange(len(WIDTHS))))
        space = Stacked({3: 16})
        usual = [self.total(space.stages(space.sample(rng))) for _ in range(SAMPLES)]
        self.middle, self.spread = float(np.mean(usual)), float(np.std(usual))

    def worth(self, number: int, choice: Choice, before: Choice | None) -> float:
        """Return what a stage adds, in any unit."""
        own = (
            self.by_width[number, choice.op, choice.width]
            + self.by_kernel[number, choice.op, choice.kernel]
            + self.by_expansion[number, choice.op, choice.expansion]
            + self.by_act[number, choice.act]
        )
        pair = 0.0
        if before is not None:
            pair = self.by_pair[number, before.op, choice.op] + self.by_step[before.width, choice.width]
        return float(self.weight[number] * (own + pair))

    def total(self, stages: Sequence[Choice]) -> float:
        """Return what all stages add."""
        befores = (None, *stages)
        return sum(self.worth(n, stage, befores[n]) for n, stage in enumerate(stages))

    def accuracy(self, worth: float) -> float:
        """Return the accuracy of a neck of that worth, a ratio: 0.4 for a usual one, 0.8 at most."""
        return 0.8 / (1.0 + float(np.exp((self.middle - worth) / (2.0 * self.spread))))

    def front(self, channels: int) -> NDArray[np.float64]:
        """Return the true front as (-accuracy, MACs) (N, 2)."""
        states: dict[tuple[int, int], NDArray[np.float64]] = {}
        ends: list[NDArray[np.float64]] = []
        for number in range(STAGES):
            states = {
                (op, width): _pruned(list(self._arrivals(number, op, width, states, channels)))
                for op, width in product(range(len(OPS)), range(len(WIDTHS)))
            }
            if number + 1 >= FEWEST:
                ends += states.values()
        found = _pruned(ends)
        return np.column_stack([[-self.accuracy(-worth) for worth in found[:, 0]], found[:, 1]])

    def _arrivals(
        self,
        number: int,
        op: int,
        width: int,
        states: Mapping[tuple[int, int], NDArray[np.float64]],
        channels: int,
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (-worth, MACs) (N, 2) of every way to a stage of `op` and `width`."""
        expansions = range(1) if OPS[op] == "plain" else range(len(EXPANSIONS))
        for kernel, expansion, act in product(range(len(KERNELS)), expansions, range(len(ACTS))):
            choice = Choice(op, width, kernel, expansion, act)
            if number == 0:
                yield np.array([[-self.worth(0, choice, None), stage_macs(choice, channels)]])
            for (last_op, last_width), reached in states.items():
                before = Choice(last_op, last_width, 0, 0, 0)
                macs = stage_macs(choice, WIDTHS[last_width])
                yield reached + np.array([[-self.worth(number, choice, before), macs]])


def _pruned(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    table = np.vstack(parts)
    return table[front(table)]


@dataclass(frozen=True)
class Scorer:
    """A factory of evaluators that tell the invented accuracy."""

    truth: Truth
    space: Stacked

    def __call__(self) -> Evaluator:
        """Return the evaluator."""
        return self.score

    def score(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the invented accuracy."""
        worth = self.truth.total(self.space.stages(self.space.embed(architecture)))
        return (Score("ap", self.truth.accuracy(worth), "1", "inherited"),)


def problem(space: Stacked, *, seed: int, reference: tuple[float, float]) -> Problem:
    """Return the search for high accuracy and few MACs."""
    return Problem(space, (Objective("ap"), Objective("macs")), seed=seed, cheap=macs, reference=reference)


def macs(architecture: Architecture) -> tuple[Score, ...]:
    """Return the MACs of a neck."""
    return (Score("macs", float(architecture.macs(IMAGE)), "MACs", "counted"),)
