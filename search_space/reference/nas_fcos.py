"""NAS-FCOS: seven searched cells of deformable convolutions (Wang et al. 2020).

A cell puts two features, each through a 3x3 CNA with a bias, side by side at the larger's size -> BN -> ReLU
-> 1x1 grouped by channel, without bias. Outputs are the last three cells plus one of the top's, at the
backbone's sizes, and 3x3 s2 convolutions above, with a ReLU before each but the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act, norms
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.resize import Resize

VARIANTS: Mapping[str, Mapping[str, object]] = {"plain": {"deform": False}}


@dataclass(frozen=True, slots=True)
class Cell:
    """The two features it joins by index; whether the second passes as it is."""

    first: int
    second: int
    plain_second: bool = False


CELLS = (Cell(2, 2), Cell(2, 2), Cell(3, 2, True), Cell(0, 2, True), Cell(4, 2), Cell(3, 6), Cell(6, 1))
"""Features 0 to 2 are C3 to C5, 3 the first cell's, and so on."""


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    width: int = 256,
    deform: bool = True,
    groups: int = 2,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a NAS-FCOS neck.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest output level; the lowest three are the backbone's; None takes its topmost
            three and two above.
        width: channels of every node.
        deform: whether the cells' 3x3 convolutions are deformable (version 2).
        groups: channel groups with offsets of their own.
        norm: after every convolution but those of extra levels.
        act: after every norm, and between extra levels.
    """
    top = max(channels, default=0)
    own, above = split_levels(channels, levels or (top - 2, top + 2))
    if len(own) != 3:
        raise InvalidArchitecture(f"nas_fcos reads three levels of the backbone, got {own}")
    draft = Draft(channels)
    layers = _Layers(width, deform, groups, norm, act)
    ops = conv_norm_act(width, norm=norm, act=act)
    found = [(level, draft.node(f"lateral{level}", level, draft.feature(level), ops=ops)) for level in own]
    for index, cell in enumerate(CELLS):
        found.append(layers.join(draft, f"cell{index}", cell, found))
    made: dict[int, str] = {}
    for level, index in zip(own, (9, 8, 7), strict=True):
        made[level] = _output(draft, level, found[index], found[5][1])
    source = made[own[-1]]
    for level in above:
        before = acts(act) if level > above[0] else ()
        ops = (*before, *conv_norm_act(width, 3, stride=2))
        source = made[level] = draft.node(f"p{level}", level, source, ops=ops)
    return draft.finish(made)


def _output(draft: Draft, level: int, cell: tuple[int, str], added: str) -> str:
    """Draw a cell's feature plus the one added to all, then bring it to the level's size."""
    at, name = cell
    enlarge = Resize(mode="bilinear")
    if at == level:
        return draft.node(f"p{level}", level, name, Edge(added, (enlarge,)))
    summed = draft.node(f"sum{level}", at, name, Edge(added, (enlarge,)))
    return draft.node(f"p{level}", level, Edge(summed, (enlarge,)))


@dataclass(frozen=True, slots=True)
class _Layers:
    width: int
    deform: bool
    groups: int
    norm: NormChoice
    act: str | None

    def join(self, draft: Draft, name: str, cell: Cell, found: Sequence[tuple[int, str]]) -> tuple[int, str]:
        """Draw a cell and return its level and id."""
        joined = (found[cell.first], found[cell.second])
        level = min(at for at, _ in joined)
        edges = [
            Edge(
                source,
                (*(() if index and cell.plain_second else self._conv), *self._resize(at, level)),
            )
            for index, (at, source) in enumerate(joined)
        ]
        grouped = Conv(width=self.width, kernel=1, groups=self.width, bias=False)
        merge = (*norms(self.norm), *acts(self.act), grouped)
        return level, draft.node(name, level, *edges, fusion=Concat(), ops=merge)

    @property
    def _conv(self) -> tuple[Op, ...]:
        if not self.deform:
            return conv_norm_act(self.width, 3, norm=self.norm, act=self.act, bias=True)
        conv = DeformConv(width=self.width, groups=self.groups, modulated=True, bias=True)
        return (conv, *norms(self.norm), *acts(self.act))

    @staticmethod
    def _resize(source: int, target: int) -> tuple[Op, ...]:
        return () if source == target else (Resize(mode="nearest"),)
