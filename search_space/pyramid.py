"""`PyramidSpace`: what the spaces that ship share: laterals to one width, levels, node operations."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.composition import Fragment, Indices, Tape
from search_space.errors import InvalidSpace, NotInSpace
from search_space.matching import Matcher
from search_space.op import Op
from search_space.ops import op_class
from search_space.ops.ela import EfficientLocalAttention
from search_space.space import Genotype, Space
from search_space.stages import style as styles
from search_space.stages.stage import Block, Emit
from search_space.stages.style import ATTENTIONS, ActForm, NormForm, Order, Style, among


@dataclass(frozen=True, eq=False, kw_only=True)
class PyramidSpace(Space):
    """Necks whose laterals bring every level to one width, which every node keeps.

    Attributes:
        channels: of the backbone's feature maps by level.
        levels: of the neck, without gaps; default: the backbone's. Those above them are made by `extra`.
        widths: channels of the whole neck to choose from.
        ops: node operations to choose from, see `stages.style.OPS`; conv, dw and deform are any kernel.
        kernels: sides of kernels that `ops` may have, in pixels; default: any.
        attentions: what may stand after a node's operation, see `stages.style.ATTENTIONS`.
        norm: none, batch, sync, frozen or group.
        groups: of a group norm; they divide every width.
        act: the activation, or none.
        order: act_conv_norm or conv_norm_act.
        resize: how coarser levels are enlarged: nearest or bilinear.
        extra: how levels above the backbone's are made, see `EXTRAS`.
        export_safe: refuse operations that ONNX lacks.
    """

    channels: Mapping[int, int] = field(default_factory=lambda: {3: 64, 4: 96, 5: 128})
    levels: tuple[int, ...] = ()
    widths: tuple[int, ...] = (32, 48, 64)
    ops: tuple[str, ...] = ("conv1", "dw3", "dw5", "conv3")
    kernels: tuple[int, ...] = ()
    attentions: tuple[str, ...] = ("none",)
    norm: NormForm = "batch"
    groups: int = 16
    act: ActForm = "relu"
    order: Order = "act_conv_norm"
    resize: Literal["nearest", "bilinear"] = "nearest"
    extra: str = "conv"
    export_safe: bool = True
    style: Style = field(init=False)

    def __post_init__(self) -> None:
        self._set("widths", whole_numbers("widths", self.widths))
        self._set("kernels", whole_numbers("kernels", self.kernels) if self.kernels else ())
        self._set("ops", _op_names(self.ops, self.kernels))
        self._set("levels", _levels(self.levels, self.channels))
        self.choose("attentions", ATTENTIONS)
        among("extra", [self.extra], tuple(EXTRAS))
        self._check_groups()
        self.refuse_unexportable([name for name in self.attentions if name != "none"])
        moved = [name for name in self.ops if styles.OPS[name].kind == "deformable"]
        self.refuse_unexportable(["deform_conv"] if moved else [])
        self._set("style", Style(self.norm, self.groups, self.act, self.order, self.resize))

    def _check_groups(self) -> None:
        if self.groups < 1:
            raise InvalidSpace(f"option 'groups' is at least 1; got {self.groups}")
        of_ela = EfficientLocalAttention().groups
        for groups, what, used in (
            (self.groups, "the norm", self.norm == "group"),
            (of_ela, "the attention 'ela'", "ela" in self.attentions),
        ):
            bad = [width for width in self.widths if used and width % groups]
            if bad:
                remedy = f"give widths that are multiples of {groups}"
                if what == "the norm":
                    remedy += ", or fewer 'groups'"
                raise InvalidSpace(f"{groups} groups of {what} do not divide the widths {bad}: {remedy}")

    def refuse_unexportable(self, kinds: Sequence[str]) -> None:
        """Raise `InvalidSpace` where a kind of operation cannot be exported and `export_safe` is set."""
        bad = [kind for kind in kinds if self.export_safe and not op_class(kind).export_safe]
        if bad:
            raise InvalidSpace(f"ONNX cannot express {bad}: leave them out, or set export_safe to false")

    def _set(self, option: str, value: object) -> None:
        object.__setattr__(self, option, value)

    def choose(self, option: str, known: Sequence[str]) -> None:
        """Check an option that lists values of `known`, and put it in their order.

        Raises:
            InvalidSpace: an unknown or repeated value, or none.
        """
        given = getattr(self, option)
        among(option, given, tuple(known))
        self._set(option, tuple(value for value in known if value in given))

    @cached_property
    def blocks(self) -> list[Block]:
        """Every operation with every attention."""
        return [Block(op, attention) for op in self.ops for attention in self.attentions]

    @property
    def full_block(self) -> Block:
        """The 3x3 convolution that hand-made necks have, or the space's last operation, without attention."""
        op = "conv3" if "conv3" in self.ops else self.ops[-1]
        return Block(op, "none" if "none" in self.attentions else self.attentions[0])

    @cached_property
    def offered(self) -> list[int]:
        """The neck's levels that the backbone offers."""
        return [level for level in self.levels if level in self.channels]

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The feature maps that every neck of the space reads."""
        return tuple(Input(f"c{level}", level, self.channels[level]) for level in self.offered)

    def laterals(self, width: int, emit: Emit) -> dict[int, str]:
        """Make one tensor of `width` a level, and return their ids."""
        made: dict[int, str] = {}
        for level in self.levels:
            name = f"lateral_{level}"
            source, ops = f"c{level}", styles.conv(self.style, width, 1, name)
            if level not in self.channels:
                extra, first = EXTRAS[self.extra], level - 1 in self.channels
                source = f"c{level - 1}" if first and not extra.lateral else made[level - 1]
                ops = extra.ops(self.style, width, name, first)
            emit(Node(name, level, width, (Edge(source, ()),), None, ops))
            made[level] = name
        return made

    def compose_laterals(self, widths: Indices, tape: Tape) -> Indices:
        """Lay out the laterals of many necks, given the index of each one's width."""

        def build(key: tuple[int, ...]) -> Fragment:
            nodes: list[Node] = []
            made = self.laterals(self.widths[key[0]], nodes.append)
            return Fragment(self.inputs, tuple(nodes), tuple(made[level] for level in self.levels))

        return tape.lay("laterals", [widths], build, tape.features)

    def named(self, name: str, width: int) -> tuple[Input, ...]:
        """Return inputs of a fragment, one a level, called by `name` and their level."""
        return tuple(Input(f"{name}{level}", level, width) for level in self.levels)

    def finish(self, nodes: Sequence[Node], outputs: Mapping[int, str]) -> Architecture:
        """Return the architecture of the nodes, which are trusted to be valid."""
        return Architecture.trusted(self.inputs, tuple(nodes), tuple(sorted(outputs.items())))

    def embed(self, architecture: Architecture) -> Genotype:
        """Return the genotype of the space whose architecture has the same key.

        Raises:
            NotInSpace: there is none.
        """
        width = self._width_of(architecture)
        for genotype in self.candidates(Matcher(architecture), width):
            if self.architecture(genotype).key == architecture.key:
                return genotype
        raise NotInSpace(f"no genotype of {self.name} makes this architecture")

    @abstractmethod
    def candidates(self, matcher: Matcher, width: int) -> Iterator[Genotype]:
        """Yield the genotypes whose every node the matcher's architecture has; ties may still differ."""

    def _width_of(self, architecture: Architecture) -> int:
        wanted = [(level, self.channels[level]) for level in self.offered]
        given = [(entry.level, entry.channels) for entry in architecture.inputs]
        levels = [level for level, _ in architecture.outputs]
        if given != wanted or levels != list(self.levels):
            raise NotInSpace(
                f"{self.name} reads {wanted} as (level, channels) and returns levels {list(self.levels)}; "
                f"the architecture reads {given} and returns {levels}"
            )
        widths = {shape.channels for shape in architecture.output_shapes().values()}
        if len(widths) > 1 or not widths <= set(self.widths):
            raise NotInSpace(f"{self.name} has widths {list(self.widths)}; the outputs have {sorted(widths)}")
        return widths.pop()


def shares_of(node: Node) -> Iterator[str]:
    """Yield the share of every operation of a node that has one."""
    fused = [node.fusion] if node.fusion else []
    for op in (*(op for edge in node.inputs for op in edge.ops), *fused, *node.ops):
        if op.share:
            yield op.share


def index_of(what: str, known: Sequence[object], value: object) -> int:
    """Return the index of a choice.

    Raises:
        NotInSpace: it is none.
    """
    if value not in known:
        raise NotInSpace(f"'{what}' has choices {list(known)}, not {value!r}")
    return known.index(value)


def whole_numbers(option: str, given: object, *, least: int = 1) -> tuple[int, ...]:
    """Return whole numbers of at least `least` in order, each once.

    Raises:
        InvalidSpace: they are something else.
    """
    if not isinstance(given, list | tuple) or not given or not all(_whole(value, least) for value in given):
        raise InvalidSpace(
            f"option '{option}' is a list of one or more whole numbers of at least {least}; got {given!r}"
        )
    return tuple(sorted(set(given)))


def _whole(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _op_names(given: object, kernels: Sequence[int]) -> tuple[str, ...]:
    among("ops", given, (*styles.OPS, "conv", "dw", "deform"))
    assert isinstance(given, tuple | list)
    named = {name for name in styles.OPS if name in given or name.rstrip("0123456789") in given}
    found = [name for name in styles.OPS if name in named]
    kept = tuple(name for name in found if not kernels or styles.OPS[name].kernel in kernels)
    if not kept:
        raise InvalidSpace(f"no operation of {found} has a kernel of {list(kernels)} pixels")
    return kept


def _levels(levels: Sequence[int], channels: Mapping[int, int]) -> tuple[int, ...]:
    if not channels or not all(map(_whole, channels.values())):
        raise InvalidSpace(f"channels are positive whole numbers by level; got {dict(channels)}")
    wanted = whole_numbers("levels", tuple(levels or channels), least=0)
    if len(wanted) < 2 or list(wanted) != list(range(wanted[0], wanted[-1] + 1)):
        raise InvalidSpace(f"levels are two or more without gaps; got {list(wanted)}")
    missing = [level for level in wanted if level <= max(channels) and level not in channels]
    if missing or wanted[0] > max(channels):
        raise InvalidSpace(
            f"levels {list(wanted)} need level {', '.join(map(str, missing or wanted[:1]))} of the backbone, "
            "which offers " + ", ".join(f"level {at} ({channels[at]} channels)" for at in sorted(channels))
        )
    return wanted


def _conv(style: Style, width: int, share: str, highest: bool) -> tuple[Op, ...]:
    return styles.conv(style, width, 3, share, 2)


def _pool(style: Style, width: int, share: str, highest: bool) -> tuple[Op, ...]:
    project = styles.conv(style, width, 1, share) if highest else ()
    return (*project, *styles.pooled(1))


def _halve(style: Style, width: int, share: str, highest: bool) -> tuple[Op, ...]:
    return styles.pooled(1, 2)


def _reduce(style: Style, width: int, share: str, highest: bool) -> tuple[Op, ...]:
    return (*styles.conv(style, width, 1, share), *styles.pooled(1, 2))


@dataclass(frozen=True, slots=True)
class Extra:
    """How a level above the backbone's is made of the one below it.

    Attributes:
        ops: of style, width, share, and whether it is the first such level.
        lateral: whether the first one reads the lateral of the backbone's highest level, not that level.
    """

    ops: Callable[[Style, int, str, bool], tuple[Op, ...]]
    lateral: bool = False


EXTRAS: dict[str, Extra] = {
    "halve": Extra(_halve, lateral=True),
    "reduce": Extra(_reduce, lateral=True),
    "pool": Extra(_pool),
    "conv": Extra(_conv),
    "conv_lateral": Extra(_conv, lateral=True),
}
"""Ways to make levels above the backbone's.

halve: 2x2 max-pooling of the lateral (NAS-FPN). reduce: a 1x1 convolution before it (NAS-FPN in mmdetection).
pool: 1x1 convolution of the backbone's highest level, then 3x3 max-pooling (BiFPN).
conv: 3x3 convolution with stride 2 of the backbone's highest level; conv_lateral: of its lateral.
"""
