"""`Stage`: the nodes of one stage while a path lays them out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from search_space.architecture import Edge, Node
from search_space.op import Op
from search_space.stages import style as styles
from search_space.stages.style import Style

Emit = Callable[[Node], None]
"""Receives each node as it is made."""

Levels = Mapping[int, str]
"""The id of the tensor at each level."""


class Choice(NamedTuple):
    """What is chosen for one stage.

    Attributes:
        path: how levels exchange information, a file's function of `paths`.
        skip: which earlier tensors are added at each fused level: none, laterals or previous (stage).
        fusion: of `style.FUSIONS`.
        op: of `style.OPS`.
        place: inside: a node's operation comes before its neighbour reads it; after: once the path is done.
        attention: of `style.ATTENTIONS`, after the operation.
        down: how finer levels are shrunk: pool2 or pool (2x2 or 3x3 max) or conv (3x3, stride 2).
    """

    path: str
    skip: str
    fusion: str
    op: str
    attention: str
    place: str
    down: str


class Block(NamedTuple):
    """What stands after a fusion: an operation of `style.OPS`, and an attention of `style.ATTENTIONS`."""

    op: str
    attention: str = "none"


class Arrival(NamedTuple):
    """A tensor that arrives at a node. The labels of all arrivals say what the fusion's weights belong to."""

    label: str
    source: str
    ops: tuple[Op, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """Lays out one stage.

    Attributes:
        name: prefix of its nodes and shares.
        first: whether its inputs are raw laterals.
        choice: see `Choice`.
        width: channels of every node.
        style: see `Style`.
        here: the inputs by level.
        skipped: earlier tensors to add, by level; empty without input skips.
        emit: receives each node as it is made.
    """

    name: str
    first: bool
    choice: Choice
    width: int
    style: Style
    here: Levels
    skipped: Levels
    emit: Emit

    @property
    def levels(self) -> list[int]:
        """The levels from fine to coarse."""
        return sorted(self.here)

    def skip(self, level: int, *beside: str) -> list[Arrival]:
        """Return the input skip of a level, if there is one and it is not among `beside`."""
        source = self.skipped.get(level)
        return [] if source is None or source in beside else [Arrival("skip", source)]

    def above(self, source: str, label: str = "above") -> Arrival:
        """Return a tensor of a coarser level, enlarged."""
        return Arrival(label, source, styles.enlarge(self.style))

    def below(self, source: str, level: int, label: str = "below") -> Arrival:
        """Return a tensor of the level below `level`, shrunk."""
        share = f"{self.name}_l{level}_down"
        return Arrival(label, source, styles.down(self.style, self.choice.down, self.width, share))

    def shrunk(self, source: str, steps: int, label: str) -> Arrival:
        """Return a tensor of a level finer by `steps`, max-pooled."""
        return Arrival(label, source, styles.pooled(steps, 2 if self.choice.down == "pool2" else 3))

    def operation(self, level: int, twin: str = "") -> tuple[Op, ...]:
        """Return the stage's operation at a level; `twin` tells two of one level apart."""
        choice, share = self.choice, f"{self.name}_l{level}{twin}"
        return styles.operation(self.style, choice.op, self.width, share, attention=choice.attention)

    def kernel(self, part: str, level: int, *, stride: int = 1) -> tuple[Op, ...]:
        """Return a 3x3 convolution on the way to `level`, one for all levels (`scale_equalizing`)."""
        return styles.conv(styles.bare(self.style), self.width, 3, f"{self.name}_se_{part}", stride)

    def fuse(self, level: int, arrivals: list[Arrival], ops: tuple[Op, ...] = (), *, tag: str = "") -> str:
        """Add a node that fuses what arrives, then applies `ops`; return its id, which ends with `tag`.

        Where that does nothing, return what arrives.
        """
        share = f"{self.name}_l{level}"
        if len(arrivals) == 1 and not arrivals[0].ops and not ops:
            return arrivals[0].source
        arrivals = self._gated(level, arrivals, tag)
        fusion: Op | None = None
        mixed: tuple[Op, ...] = ()
        if len(arrivals) > 1:
            labels = "_".join([arrival.label for arrival in arrivals])
            fusion, mixed = styles.fusion(self.choice.fusion, self.width, f"{share}_{labels}")
        return self.add(level, tag, arrivals, fusion, (*mixed, *ops))

    def _gated(self, level: int, arrivals: list[Arrival], tag: str) -> list[Arrival]:
        """Fold all but the last two arrivals where the fusion takes two only."""
        if self.choice.fusion != "gate":
            return arrivals
        for index in range(len(arrivals) - 2):
            fusion, _ = styles.fusion("gate", self.width, "")
            gated = self.add(level, f"{tag}_gate{index}", arrivals[:2], fusion, ())
            arrivals = [Arrival("gated", gated), *arrivals[2:]]
        return arrivals

    def add(
        self, level: int, tag: str, arrivals: list[Arrival], fusion: Op | None, ops: tuple[Op, ...]
    ) -> str:
        """Add a node and return its id."""
        name = f"{self.name}_l{level}{tag}"
        edges = tuple([Edge(source, before) for _, source, before in arrivals])
        self.emit(Node(name, level, self.width, edges, fusion, ops))
        return name
