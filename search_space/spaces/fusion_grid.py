"""`fusion_grid`: one to four stages, each with its own path through the levels, operations and widths."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import ClassVar, Literal

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidSpace, NotInSpace
from search_space.matching import Matcher, Mismatch
from search_space.op import Op
from search_space.space import Gene, Genotype, Space
from search_space.stages import style as styles
from search_space.stages.paths import PATHS
from search_space.stages.stage import Choice, Levels, Stage
from search_space.stages.style import FUSIONS, OPS, ActForm, NormForm, Order, Style, among

_SKIPS = ("none", "laterals", "previous")
_PLACES = ("inside", "after")
_DOWNS = ("pool", "conv")
_EXTRAS = ("pool", "conv")


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionGrid(Space):
    """Every neck of the given stages, paths, fusions, operations and widths.

    Laterals bring each level to the neck's width. A stage then takes one tensor a level and returns one.

    Attributes:
        channels: of the backbone's feature maps by level.
        levels: of the neck, without gaps; default: the backbone's. Those above them are made by `extra`.
        stages: numbers of stages to choose from.
        paths: see `stages.paths.PATHS`; chosen for each stage.
        skips: what is added at each fused level: none, laterals, or previous: the inputs of the stage before.
        fusions: see `stages.style.FUSIONS`; chosen for each stage.
        ops: see `stages.style.OPS`; chosen for each stage.
        places: whether a stage's operations stand inside its path or after it.
        downs: how finer levels are shrunk: pool (3x3 max) or conv (3x3, stride 2).
        widths: channels of the whole neck to choose from.
        norm: none, batch, sync, frozen or group.
        groups: of a group norm; they divide every width.
        act: the activation, or none.
        order: act_conv_norm or conv_norm_act.
        resize: how coarser levels are enlarged: nearest or bilinear.
        extra: how levels above the backbone's are made: 1x1 conv and pool, or conv (3x3, stride 2).
        export_safe: refuse operations that ONNX lacks; every operation of this space exports.
    """

    name: ClassVar[str] = "fusion_grid"

    channels: Mapping[int, int] = field(default_factory=lambda: {3: 64, 4: 96, 5: 128})
    levels: tuple[int, ...] = ()
    stages: tuple[int, ...] = (1, 2, 3, 4)
    paths: tuple[str, ...] = tuple(name for name in PATHS if name != "skip")
    skips: tuple[str, ...] = _SKIPS
    fusions: tuple[str, ...] = ("sum", "fast", "concat")
    ops: tuple[str, ...] = ("conv1", "dw3", "dw5", "conv3")
    places: tuple[str, ...] = _PLACES
    downs: tuple[str, ...] = _DOWNS
    widths: tuple[int, ...] = (32, 48, 64)
    norm: NormForm = "batch"
    groups: int = 16
    act: ActForm = "relu"
    order: Order = "act_conv_norm"
    resize: Literal["nearest", "bilinear"] = "nearest"
    extra: Literal["pool", "conv"] = "conv"
    export_safe: bool = True

    def __post_init__(self) -> None:
        known = {"paths": tuple(PATHS), "skips": _SKIPS, "fusions": FUSIONS, "ops": tuple(OPS)}
        for option, values in (known | {"places": _PLACES, "downs": _DOWNS}).items():
            given = getattr(self, option)
            among(option, given, values)
            object.__setattr__(self, option, tuple(value for value in values if value in given))
        among("extra", [self.extra], _EXTRAS)
        for option in ("stages", "widths"):
            object.__setattr__(self, option, _counts(option, getattr(self, option)))
        object.__setattr__(self, "levels", _levels(self.levels, self.channels))
        bad = [width for width in self.widths if self.norm == "group" and width % self.groups]
        if bad:
            raise InvalidSpace(f"{self.groups} groups of the norm do not divide the widths {bad}")
        object.__setattr__(self, "_style", Style(self.norm, self.groups, self.act, self.order, self.resize))

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The width, the number of stages, then for each stage the parts of its `Choice`."""
        return tuple(gene for gene, _, _ in self._layout)

    @cached_property
    def _layout(self) -> tuple[tuple[Gene, int, str], ...]:
        """Each gene, its stage (0: the whole neck) and its part."""
        made = [
            (Gene("width", self.widths, ordinal=True), 0, "width"),
            (Gene("stages", self.stages, ordinal=True), 0, "stages"),
        ]
        parts = {"path": self.paths, "skip": self.skips, "fusion": self.fusions}
        parts |= {"op": self.ops, "place": self.places, "down": self.downs}
        for stage in range(1, max(self.stages) + 1):
            for part, values in parts.items():
                values = ("none",) if stage == 1 and part == "skip" else values
                made.append((Gene(f"s{stage}_{part}", values), stage, part))
        return tuple(made)

    def domain(self, index: int, genotype: Sequence[int]) -> Sequence[int]:
        """Return the choices that mean something: of stages in use, where the stage's path asks for them."""
        gene, stage, part = self._layout[index]
        if not stage or part == "path":
            return range(len(gene.choices)) if stage <= self.stages[genotype[1]] else ()
        if stage > self.stages[genotype[1]]:
            return ()
        return self._domain(stage, part, self.paths[genotype[2 + 6 * (stage - 1)]])

    def _domain(self, stage: int, part: str, path: str) -> Sequence[int]:
        """Return the choices of a stage's part that differ in function."""
        means = PATHS[path]
        if part == "skip":
            skips = self.skips if means.skips and stage > 1 else ()
            if stage == 2 and "laterals" in skips and "previous" in skips:
                skips = skips[:-1]  # the stage before the second one reads the laterals
            return range(len(skips))
        wanted = {
            "fusion": means.fuses,
            "op": means.fuses,
            "place": means.recursive,
            "down": means.shrinks,
        }[part]
        values = {"fusion": self.fusions, "op": self.ops, "place": self.places, "down": self.downs}[part]
        return range(len(values)) if wanted else ()

    def size(self) -> int:
        """Return the exact number of canonical genotypes."""
        counts = [self._stage_count(stage) for stage in range(1, max(self.stages) + 1)]
        return len(self.widths) * sum(prod(counts[:stages]) for stages in self.stages)

    def _stage_count(self, stage: int) -> int:
        parts = ("skip", "fusion", "op", "place", "down")
        return sum(
            prod(max(1, len(self._domain(stage, part, path))) for part in parts) for path in self.paths
        )

    def choices(self, stage: int) -> Iterator[Choice]:
        """Yield every canonical choice of a stage."""
        lists = {"fusion": self.fusions, "op": self.ops, "place": self.places, "down": self.downs}
        for path in self.paths:
            ranges = [self._domain(stage, part, path) or (0,) for part in ("skip", *lists)]
            for skip, *rest in product(*ranges):
                names = [values[index] for values, index in zip(lists.values(), rest, strict=True)]
                yield Choice(path, self._skip(stage, skip), *names)

    def _skip(self, stage: int, index: int) -> str:
        return self.skips[index] if stage > 1 else "none"

    def architecture(self, genotype: Genotype) -> Architecture:
        """Return the architecture of a genotype, canonical or not.

        Raises:
            NotInSpace: the genotype has another length or an index that no choice has.
        """
        genotype = self.canonical(genotype)
        stages = self.stages[genotype[1]]
        return self._build(self.widths[genotype[0]], [self._choice(genotype, s + 1) for s in range(stages)])

    def _choice(self, genotype: Genotype, stage: int) -> Choice:
        path, skip, fusion, op, place, down = genotype[6 * stage - 4 : 6 * stage + 2]
        names = (self.fusions[fusion], self.ops[op], self.places[place], self.downs[down])
        return Choice(self.paths[path], self._skip(stage, skip), *names)

    def genotype(self, width: int, choices: Sequence[Choice]) -> Genotype:
        """Return the canonical genotype of a width and the choices of its stages.

        Raises:
            NotInSpace: the space does not have the width, the number of stages or a choice.
        """
        made = [_index("width", self.widths, width), _index("stages", self.stages, len(choices))]
        for stage, choice in enumerate(choices, 1):
            values = [self.paths, self.skips if stage > 1 else ("none",)]
            values += [self.fusions, self.ops, self.places, self.downs]
            made += [
                _index(f"s{stage}_{part}", known, value)
                for part, known, value in zip(Choice._fields, values, choice, strict=True)
            ]
        return self.canonical(made + [0] * (len(self.genes) - len(made)))

    def _build(self, width: int, choices: Sequence[Choice]) -> Architecture:
        nodes: list[Node] = []
        flow = [self._laterals(width, nodes.append)]
        for choice in choices:
            flow.append(self._stage(width, choice, flow, nodes.append))
        inputs = tuple(Input(f"c{level}", level, self.channels[level]) for level in self._own)
        return Architecture(inputs, tuple(nodes), tuple(sorted(flow[-1].items())))

    @property
    def _own(self) -> list[int]:
        """The neck's levels that the backbone offers."""
        return [level for level in self.levels if level in self.channels]

    def _stage(
        self, width: int, choice: Choice, flow: Sequence[Levels], emit: Callable[[Node], None]
    ) -> Levels:
        """Lay out the next stage after those whose tensors are `flow`, the laterals first."""
        number = len(flow)
        skipped: Levels = {}
        if choice.skip == "laterals":
            skipped = flow[0]
        elif choice.skip == "previous":
            skipped = flow[number - 2]
        style: Style = self._style  # type: ignore[attr-defined]
        stage = Stage(f"s{number}", number == 1, choice, width, style, flow[-1], skipped, emit)
        return PATHS[choice.path].lay(stage)

    def _laterals(self, width: int, emit: Callable[[Node], None]) -> Levels:
        style: Style = self._style  # type: ignore[attr-defined]
        made: dict[int, str] = {}
        for level in self.levels:
            name = f"lateral_{level}"
            source, ops = f"c{level}", styles.conv(style, width, 1, name)
            if level not in self.channels:
                source, ops = self._extra(width, name, made.get(level - 1), level)
            emit(Node(name, level, width, (Edge(source, ()),), None, ops))
            made[level] = name
        return made

    def _extra(self, width: int, name: str, below: str | None, level: int) -> tuple[str, tuple[Op, ...]]:
        """Return what a level above the backbone's reads, and its operations."""
        style: Style = self._style  # type: ignore[attr-defined]
        highest = level - 1 in self.channels
        source = f"c{level - 1}" if highest or below is None else below
        if self.extra == "conv":
            return source, styles.conv(style, width, 3, name, 2)
        project = styles.conv(style, width, 1, name) if highest else ()
        return source, (*project, *styles.pooled(1))

    def embed(self, architecture: Architecture) -> Genotype:
        """Return the genotype of the space whose architecture has the same key.

        Raises:
            NotInSpace: there is none.
        """
        wanted = [(level, self.channels[level]) for level in self._own]
        given = [(entry.level, entry.channels) for entry in architecture.inputs]
        if given != wanted or [level for level, _ in architecture.outputs] != list(self.levels):
            raise NotInSpace(
                f"{self.name} reads {wanted} as (level, channels) and returns levels {list(self.levels)}; "
                f"the architecture reads {given} and returns {[level for level, _ in architecture.outputs]}"
            )
        widths = {shape.channels for shape in architecture.output_shapes().values()}
        if len(widths) > 1 or not widths <= set(self.widths):
            raise NotInSpace(f"{self.name} has widths {list(self.widths)}; the outputs have {sorted(widths)}")
        (width,) = widths
        for choices in _Search(self, architecture, width).found():
            if self._build(width, choices).key == architecture.key:
                return self.genotype(width, choices)
        raise NotInSpace(f"no genotype of {self.name} makes this architecture")

    def cover(self) -> list[Architecture]:
        """Return architectures at the largest width that together hold every shared tensor."""
        width, most = self.widths[-1], max(self.stages)
        passing = list({(choice.path, choice.place): choice for choice in self.choices(1)}.values())
        shares: set[str] = set()
        covering: list[Architecture] = []
        for stage in range(1, most + 1):
            for before in passing[: None if stage > 1 else 1]:
                for choice in self.choices(stage):
                    choices = [before] * (stage - 1) + [choice]
                    if self._adds(width, choices, shares):
                        padding = [before] * (self._at_least(stage) - stage)
                        covering.append(self._build(width, choices + padding))
        return covering

    def _at_least(self, stages: int) -> int:
        return next(number for number in self.stages if number >= stages)

    def _adds(self, width: int, choices: Sequence[Choice], shares: set[str]) -> bool:
        """Whether the last stage has a share that is not among `shares`, which then has it too."""
        nodes: list[Node] = []
        flow = [self._laterals(width, _forget)]
        for index, choice in enumerate(choices):
            emit = nodes.append if index + 1 == len(choices) else _forget
            flow.append(self._stage(width, choice, flow, emit))
        fresh = {op.share for node in nodes for op in _ops(node) if op.share} - shares
        shares |= fresh
        return bool(fresh)

    def baselines(self) -> dict[str, Genotype]:
        """Return the genotypes of the topologies of FPN, PAFPN, BiFPN (one to two cells) and RevFP, by name.

        Each has the largest width and the dearest operation of the space that its own design allows;
        one that the space's options leave out is missing.
        """
        found: dict[str, Genotype] = {}
        for name, choices in self._designs().items():
            try:
                found[name] = self.genotype(self.widths[-1], choices)
            except NotInSpace:
                continue
        return found

    def _designs(self) -> dict[str, list[Choice]]:
        full = "conv3" if "conv3" in self.ops else self.ops[-1]
        light = "dw3" if "dw3" in self.ops else self.ops[-1]
        fast = "fast" if "fast" in self.fusions else self.fusions[0]
        down = self.downs[0]
        fpn = Choice("top_down", "none", "sum", full, "after", down)
        cell = [
            Choice("top_down", "none", fast, light, "inside", down),
            Choice("bottom_up", "laterals", fast, light, "inside", "pool"),
        ]
        again = [cell[0], cell[1]._replace(skip="previous")]
        return {
            "fpn": [fpn],
            "pafpn": [fpn, Choice("bottom_up", "none", "sum", full, "after", "conv")],
            "bifpn": cell,
            "bifpn_2": cell + again,
            "rev_fp": [Choice("reverse", "none", "sum", full, "inside", "pool")],
        }


def _forget(node: Node) -> None:
    pass


def _ops(node: Node) -> Iterator[Op]:
    yield from (op for edge in node.inputs for op in edge.ops)
    yield from node.ops
    if node.fusion is not None:
        yield node.fusion


class _Search:
    """Finds stage after stage whose every node the architecture has."""

    def __init__(self, space: FusionGrid, architecture: Architecture, width: int) -> None:
        self._space, self._width = space, width
        self._matcher = Matcher(architecture)
        self._numbers = dict(self._matcher.inputs)

    def found(self) -> Iterator[list[Choice]]:
        """Yield the choices of every neck of the space with the same outputs, ties left out."""
        try:
            laterals = self._space._laterals(self._width, self._match)
        except Mismatch:
            return
        yield from self._grown([laterals], [])

    def _match(self, node: Node) -> None:
        self._numbers[node.id] = self._matcher.number(node, self._numbers)

    def _grown(self, flow: list[Levels], choices: list[Choice]) -> Iterator[list[Choice]]:
        outputs = {level: self._numbers[source] for level, source in flow[-1].items()}
        if outputs == self._matcher.outputs and len(choices) in self._space.stages:
            yield choices
        if len(choices) == max(self._space.stages):
            return
        for choice in self._space.choices(len(flow)):
            try:
                after = self._space._stage(self._width, choice, flow, self._match)
            except Mismatch:
                continue
            yield from self._grown([*flow, after], [*choices, choice])


def _index(what: str, known: Sequence[object], value: object) -> int:
    if value not in known:
        raise NotInSpace(f"'{what}' has choices {list(known)}, not {value!r}")
    return known.index(value)


def _counts(option: str, given: object) -> tuple[int, ...]:
    if not isinstance(given, list | tuple) or not given or not all(_positive(value) for value in given):
        raise InvalidSpace(
            f"option '{option}' is a list of one or more positive whole numbers; got {given!r}"
        )
    return tuple(sorted(set(given)))


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _levels(levels: Sequence[int], channels: Mapping[int, int]) -> tuple[int, ...]:
    if not channels or not all(_positive(value) for value in channels.values()):
        raise InvalidSpace(f"channels are positive whole numbers by level; got {dict(channels)}")
    wanted = tuple(sorted(levels or channels))
    if len(wanted) < 2 or list(wanted) != list(range(wanted[0], wanted[-1] + 1)):
        raise InvalidSpace(f"levels are two or more without gaps; got {list(wanted)}")
    missing = [level for level in wanted if level <= max(channels) and level not in channels]
    if missing or wanted[0] > max(channels):
        raise InvalidSpace(
            f"levels {list(wanted)} need level {missing or wanted[0]} of the backbone, "
            f"which offers {sorted(channels)}"
        )
    return wanted
