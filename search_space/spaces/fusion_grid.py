"""`fusion_grid`: one to four stages, each with its own path through the levels, fusion and operation."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from search_space.architecture import Architecture, Node
from search_space.composition import Fragment, Indices, Tape
from search_space.errors import NotInSpace
from search_space.matching import Matcher, Mismatch
from search_space.op import Op
from search_space.pyramid import PyramidSpace, index_of, shares_of, whole_numbers
from search_space.space import Gene, Genotype
from search_space.stages import style as styles
from search_space.stages.paths import PATHS
from search_space.stages.stage import Choice, Emit, Levels, Stage
from search_space.stages.style import FUSIONS
from search_space.stages.table import StageTable

_SKIPS = ("none", "laterals", "previous")
_PLACES = ("inside", "after")
_DOWNS = ("pool2", "pool", "conv")
_HEAD = 2
"""Genes before those of the stages: width, number of stages."""
_GENES_A_STAGE = len(Choice._fields)
MEMORY = 2_000
"""Stages whose nodes are remembered."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionGrid(PyramidSpace):
    """Every neck of the given stages, paths, fusions, operations and widths.

    A stage takes one tensor a level and returns one; the first reads the laterals.

    Attributes:
        stages: numbers of stages to choose from.
        paths: see `stages.paths.PATHS`; chosen for each stage.
        skips: what is added at each fused level: none, laterals, or previous: the inputs of the stage before.
        fusions: see `stages.style.FUSIONS`; chosen for each stage.
        places: whether a stage's operations stand inside its path or after it.
        downs: how finer levels are shrunk: pool2 or pool (2x2 or 3x3 max) or conv (3x3, stride 2).
    """

    name: ClassVar[str] = "fusion_grid"

    stages: tuple[int, ...] = (1, 2, 3, 4)
    paths: tuple[str, ...] = tuple(name for name in PATHS if name != "skip")
    skips: tuple[str, ...] = _SKIPS
    fusions: tuple[str, ...] = ("sum", "fast", "concat")
    places: tuple[str, ...] = _PLACES
    downs: tuple[str, ...] = ("pool", "conv")

    def __post_init__(self) -> None:
        super().__post_init__()
        known = {"paths": tuple(PATHS), "skips": _SKIPS, "fusions": FUSIONS, "places": _PLACES}
        for option, values in (known | {"downs": _DOWNS}).items():
            self.choose(option, values)
        self._set("stages", whole_numbers("stages", self.stages))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The width, the number of stages, then for each stage the parts of its `Choice`."""
        made = [Gene("width", self.widths, ordinal=True), Gene("stages", self.stages, ordinal=True)]
        for stage, known in enumerate(self._known, 1):
            values = zip(Choice._fields, known, strict=True)
            made += [Gene(f"s{stage}_{part}", choices) for part, choices in values]
        return tuple(made)

    @cached_property
    def _known(self) -> list[tuple[tuple[str, ...], ...]]:
        """What each stage chooses from, by the fields of `Choice`."""
        rest = (self.fusions, self.ops, self.attentions, self.places, self.downs)
        skips = [("none",), *[self.skips] * (max(self.stages) - 1)]
        return [(self.paths, some, *rest) for some in skips]

    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices that mean something: of stages in use, where the stage's path asks for them."""
        stage, path, domains = self._domains[index]
        return () if stage > self.stages[genotype[1]] else domains[genotype[path]]

    def canonical_many(self, genotypes: Indices) -> Indices:
        """Return `canonical` of each row, gene by gene for all rows at once."""
        if not self._table.holds(genotypes):
            return super().canonical_many(genotypes)  # raises, and says which gene
        return self._table.canonical(genotypes)

    def active_many(self, genotypes: Indices) -> NDArray[np.bool_]:
        """Return `active` of each row, gene by gene for all rows at once."""
        return self._table.active(genotypes)

    @cached_property
    def _table(self) -> StageTable:
        return StageTable(1, self.stages, self._domains, [len(gene.choices) for gene in self.genes])

    @cached_property
    def _domains(self) -> list[tuple[int, int, list[Sequence[int]]]]:
        """For each gene its stage (0: none), the gene of its stage's path, its choices by that path.

        A choice is left out where another one is the same function.
        """
        found: list[tuple[int, int, list[Sequence[int]]]] = []
        for gene in self.genes[:_HEAD]:
            choices = range(len(gene.choices))
            found.append((0, 0, [choices] * len(self.widths)))
        for stage in range(1, max(self.stages) + 1):
            path = len(found)
            meanings = [self._meaning(stage, name) for name in self.paths]
            found.append((stage, 0, [range(len(self.paths))] * len(self.widths)))
            found += [(stage, path, [meaning[part] for meaning in meanings]) for part in Choice._fields[1:]]
        return found

    def _meaning(self, stage: int, path: str) -> dict[str, Sequence[int]]:
        means = PATHS[path]
        skips = self.skips if means.skips and stage > 1 else ()
        if stage == 2 and "laterals" in skips and "previous" in skips:
            skips = skips[:-1]  # the stage before the second one reads the laterals
        return {
            "skip": range(len(skips)),
            "fusion": range(len(self.fusions)) if means.fuses else (),
            "op": range(len(self.ops)) if means.fuses else (),
            "attention": range(len(self.attentions)) if means.fuses else (),
            "place": range(len(self.places)) if means.recursive else (),
            "down": range(len(self.downs)) if means.shrinks else (),
        }

    def size(self) -> int:
        """Return the exact number of canonical genotypes."""
        stages = [self._stage_count(stage) for stage in range(1, max(self.stages) + 1)]
        return len(self.widths) * sum(prod(stages[:number]) for number in self.stages)

    def _stage_count(self, stage: int) -> int:
        return sum(
            prod(max(1, len(choices)) for choices in self._meaning(stage, path).values())
            for path in self.paths
        )

    def choices(self, stage: int, within: Mapping[str, Sequence[int]] | None = None) -> Iterator[Choice]:
        """Yield every canonical choice of a stage, of each part only what `within` names, if it does."""
        values = self._known[stage - 1]
        for index, path in enumerate(self.paths):
            meaning = self._meaning(stage, path)
            for part, some in (within or {}).items():
                if meaning[part]:
                    meaning[part] = some
            ranges = [() if within and choices == [] else choices or (0,) for choices in meaning.values()]
            for picked in product((index,), *ranges):
                yield Choice(*(known[at] for known, at in zip(values, picked, strict=True)))

    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the architecture of a genotype, canonical or not.

        Raises:
            NotInSpace: the genotype has another length or an index that no choice has.
        """
        width, *chosen = self.canonical(genotype)
        stages = range(1, self.stages[chosen.pop(0)] + 1)
        return self.build(self.widths[width], [self._choice(chosen, stage) for stage in stages])

    def _choice(self, chosen: Sequence[int], stage: int) -> Choice:
        picked = chosen[_GENES_A_STAGE * (stage - 1) : _GENES_A_STAGE * stage]
        return Choice(*(known[index] for known, index in zip(self._known[stage - 1], picked, strict=True)))

    def build(self, width: int, choices: Sequence[Choice]) -> Architecture:
        """Return the neck of a width and the choices of its stages."""
        nodes: list[Node] = []
        flow: list[Levels] = [self.laterals(width, nodes.append)]
        for choice in choices:
            made, levels = self._laid(width, choice, flow)
            nodes += made
            flow.append(levels)
        return self.finish(nodes, flow[-1])

    def _laid(self, width: int, choice: Choice, flow: Sequence[Levels]) -> tuple[Sequence[Node], Levels]:
        """Return the nodes of the next stage and its outputs; the latest are remembered."""
        read = [tuple(levels.items()) for levels in (flow[0], *flow[-2:])]
        key = (width, choice, len(flow), *read)
        found = self._known_stages.get(key)
        if found is None:
            if len(self._known_stages) >= MEMORY:
                self._known_stages.clear()
            nodes: list[Node] = []
            found = self._known_stages[key] = nodes, self.lay(width, choice, flow, nodes.append)
        return found

    def __getstate__(self) -> dict[str, object]:
        """Return what is pickled: what is remembered stays here."""
        return {name: value for name, value in vars(self).items() if name != "_known_stages"}

    @cached_property
    def _known_stages(self) -> dict[Hashable, tuple[Sequence[Node], Levels]]:
        return {}

    def lay(self, width: int, choice: Choice, flow: Sequence[Levels], emit: Emit) -> Levels:
        """Lay out the next stage after those whose outputs are `flow`, the laterals first."""
        number = len(flow)
        skipped: Levels = {"none": {}, "laterals": flow[0], "previous": flow[number - 2]}[choice.skip]
        stage = Stage(f"s{number}", number == 1, choice, width, self.style, flow[-1], skipped, emit)
        return PATHS[choice.path].lay(stage)

    def compose(self, genotypes: Indices, tape: Tape) -> Indices:
        """Lay out the stages of many necks; see `Space.compose`."""
        width, number = genotypes[:, 0], np.array(self.stages)[genotypes[:, 1]]
        flow = [self.compose_laterals(width, tape)]
        for stage in range(1, max(self.stages) + 1):
            start, there = _HEAD + _GENES_A_STAGE * (stage - 1), number >= stage
            path, skip, *rest = genotypes[:, start : start + _GENES_A_STAGE].T
            names = np.array(self._known[stage - 1][1])[skip]
            skipped = np.where(names == "previous", flow[stage - 2], flow[0])
            passed = (skipped == flow[-1]) & (names != "none")
            keys = [np.full_like(width, stage == 1), width, names != "none", path, *rest, *passed]
            made = tape.lay("stage", keys, self._fragment, np.vstack([flow[-1], skipped]), there)
            flow.append(np.where(there, made, flow[-1]))
        return flow[-1]

    def _fragment(self, key: tuple[int, ...]) -> Fragment:
        """Return a stage: whether it is the first one, its width, whether it adds earlier tensors, its other
        genes, and at which levels those tensors are its inputs.
        """
        first, at, skips, path, *rest = key
        width, count, names = self.widths[at], len(self.levels), self._known[0]
        known = zip((names[0], ("",), *names[2:]), (path, 0, *rest[:-count]), strict=True)
        choice = Choice(*(values[index] for values, index in known))
        here = {level: f"h{level}" for level in self.levels}
        passed = zip(self.levels, rest[-count:], strict=True)
        skipped = {level: f"{'h' if same else 'k'}{level}" for level, same in passed if skips}
        nodes: list[Node] = []
        stage = Stage("s", bool(first), choice, width, self.style, here, skipped, nodes.append)
        made = PATHS[choice.path].lay(stage)
        inputs = (*self.named("h", width), *self.named("k", width))
        return Fragment(inputs, tuple(nodes), tuple(made[level] for level in self.levels))

    def genotype(self, width: int, choices: Sequence[Choice]) -> Genotype:
        """Return the canonical genotype of a width and the choices of its stages.

        Raises:
            NotInSpace: the space does not have the width, the number of stages or a choice that matters.
        """
        made = [index_of("width", self.widths, width), index_of("stages", self.stages, len(choices))]
        for stage, choice in enumerate(choices, 1):
            meaning = {"path": (0,), **self._meaning(stage, choice.path)} if choice.path in PATHS else {}
            for part, known, value in zip(Choice._fields, self._known[stage - 1], choice, strict=True):
                matters = meaning.get(part) or value in known
                made.append(index_of(f"s{stage}_{part}", known, value) if matters else 0)
        return self.canonical(made + [0] * (len(self.genes) - len(made)))

    def candidates(self, matcher: Matcher, width: int) -> Iterator[Genotype]:
        """Yield the genotypes whose every node the matcher's architecture has; ties may still differ."""
        numbers = dict(matcher.inputs)
        within = self._within(matcher, width)

        def match(node: Node) -> None:
            numbers[node.id] = matcher.number(node, numbers)

        def grown(flow: list[Levels], choices: list[Choice]) -> Iterator[Genotype]:
            outputs = {level: numbers[source] for level, source in flow[-1].items()}
            if outputs == matcher.outputs and len(choices) in self.stages:
                yield self.genotype(width, choices)
            if len(choices) == max(self.stages):
                return
            for choice in self.choices(len(flow), within):
                try:
                    after = self.lay(width, choice, flow, match)
                except Mismatch:
                    continue
                yield from grown([*flow, after], [*choices, choice])

        try:
            laterals = self.laterals(width, match)
        except Mismatch:
            return
        yield from grown([laterals], [])

    def _within(self, matcher: Matcher, width: int) -> dict[str, list[int]]:
        """Return of each part the choices whose every operation the matcher's architecture has."""
        style = self.style
        fusions = {name: styles.fusion(name, width, "") for name in self.fusions}
        made: dict[str, list[tuple[Op, ...]]] = {
            "fusion": [(fusion, *after) for fusion, after in fusions.values()],
            "op": [styles.operation(style, name, width, "") for name in self.ops],
            "attention": [styles.attend(name, "") for name in self.attentions],
            "down": [styles.down(style, name, width, "") for name in self.downs],
        }
        return {
            part: [index for index, ops in enumerate(every) if matcher.has(ops)]
            for part, every in made.items()
        }

    def cover(self) -> list[Architecture]:
        """Return architectures at the largest width that together hold every shared tensor."""
        shares: set[str] = set()
        covering: list[Architecture] = []
        for choices in self._telling():
            built = self.build(self.widths[-1], choices)
            fresh = {share for node in built.nodes for share in shares_of(node)} - shares
            shares |= fresh
            if fresh:
                covering.append(built)
        return covering

    def _telling(self) -> Iterator[list[Choice]]:
        """Yield necks that together have every share: of operations, and of fusions for each set of inputs.

        What arrives at a fusion depends on the stage's own choice, and with an input skip on the levels that
        the stages before it have passed unchanged.
        """
        most = max(self.stages)
        varied = list(self._varied(most))
        for choice in varied:
            yield [choice._replace(skip=self._known[0][1][0]), *[choice] * (most - 1)]
        skipping = [choice for choice in varied if choice.skip != "none" and choice.op == self.ops[0]]
        befores = {
            (choice.path, choice.place) if PATHS[choice.path].passes else (): choice for choice in varied
        }
        for at in range(1, most) if skipping else ():
            number = next(number for number in self.stages if number > at)
            for before in befores.values():
                start = [before._replace(skip="none"), *[before] * (at - 1)]
                for choice in skipping:
                    yield [*start, choice] + [before] * (number - at - 1)

    def _varied(self, stage: int) -> Iterator[Choice]:
        """Yield every choice of a stage, operations and attention with one fusion and skip only."""
        first = (self.fusions[0], self._known[stage - 1][1][0], self.downs[0])
        for choice in self.choices(stage):
            if (choice.op, choice.attention) == (self.ops[0], self.attentions[0]) or first == (
                choice.fusion,
                choice.skip,
                choice.down,
            ):
                yield choice

    def baselines(self) -> dict[str, Genotype]:
        """Return the genotypes of hand-made necks' topologies, by name, at the largest width.

        Nodes are 3x3 convolutions, BiFPN's depthwise-separable. A neck that the options leave out is missing.
        """
        found: dict[str, Genotype] = {}
        for name, choices in _designs(self).items():
            try:
                found[name] = self.genotype(self.widths[-1], choices)
            except NotInSpace:
                continue
        return found


def _designs(space: FusionGrid) -> dict[str, list[Choice]]:
    full, light = _first(space.ops, "conv3"), _first(space.ops, "dw3")
    fast, pool = _first(space.fusions, "fast"), _first(space.downs, "pool", "pool2")
    fpn = Choice("top_down", "none", "sum", full, "none", "after", pool)
    down = Choice("top_down", "none", fast, light, "none", "inside", pool)
    up = down._replace(path="bottom_up", skip="laterals")
    pool2 = _first(space.downs, "pool2", "pool")
    return {
        "fpn": [fpn],
        "pafpn": [fpn, fpn._replace(path="bottom_up", down=_first(space.downs, "conv"))],
        "bifpn": [down, up],
        "bifpn_2": [down, up, down, up._replace(skip="previous")],
        "rev_fp": [fpn._replace(path="reverse", place="inside", down=pool2)],
    }


def _first(known: Sequence[str], *wanted: str) -> str:
    """Return the first wanted choice that the space has, else its last."""
    return next((name for name in wanted if name in known), known[-1])
