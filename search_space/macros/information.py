"""The information paths of OPANAS: how one pyramid becomes another on an edge (Liang et al. 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize

Levels = Mapping[int, str]
_HALVE = Pool(kernel=2, stride=2, padding="same")

PATHS = ("none", "skip", "top_down", "bottom_up", "scale_equalizing", "fusing_splitting")


@dataclass(frozen=True, kw_only=True)
class InformationPath:
    """Draws one path from a pyramid.

    Attributes:
        name: prefix of its nodes and shares.
        width: channels of every node.
        deform: whether convolutions are deformable; at the lowest level the offsets stay unused.
        tied: whether both convolutions of a fusing-splitting path are one.
        upsample: how coarser levels are enlarged.
    """

    name: str
    width: int
    deform: bool
    tied: bool
    upsample: Literal["nearest", "bilinear"]

    def draw(self, draft: Draft, kind: str, here: Levels) -> Levels:
        """Draw the path of `kind`, one of `PATHS`, and return where it leads; nothing for none."""
        if kind == "none":
            return {}
        if kind == "skip":
            return here
        if kind == "fusing_splitting":
            return self._fusing_splitting(draft, here)
        if kind == "scale_equalizing":
            return self._scale_equalizing(draft, here)
        return self._swept(draft, here, downwards=kind == "top_down")

    def _conv(self, level: int, here: Levels, *, stride: int = 1, share: str | None = None) -> Op:
        if not self.deform:
            return Conv(width=self.width, stride=stride, share=share)
        moved = level > min(here)
        return DeformConv(width=self.width, stride=stride, bias=True, deform=moved, share=share)

    def _up(self, source: str) -> Edge:
        return Edge(source, (Resize(mode=self.upsample),))

    def _swept(self, draft: Draft, here: Levels, *, downwards: bool) -> Levels:
        made: dict[int, str] = {}
        before: str | None = None
        for level in sorted(here, reverse=downwards):
            inputs: list[str | Edge] = [here[level]]
            if before is not None:
                inputs.append(self._up(before) if downwards else Edge(before, (_HALVE,)))
            before = made[level] = draft.node(
                f"{self.name}_{level}", level, *inputs, ops=(self._conv(level, here),)
            )
        return made

    def _fusing_splitting(self, draft: Draft, here: Levels) -> Levels:
        levels = sorted(here)
        fine, coarse = levels[len(levels) // 2 - 1], levels[len(levels) // 2]
        finer = [Edge(here[level], (_HALVE,) * (fine - level)) for level in reversed(levels) if level < fine]
        a = self._gather(draft, fine, [Edge(here[fine]), *finer])
        b = self._gather(
            draft, coarse, [Edge(here[coarse]), *(self._up(here[x]) for x in levels if x > coarse)]
        )
        share = f"{self.name}_join" if self.tied else None

        def join(level: int, first: Edge, second: Edge) -> str:
            conv = self._conv(level, here, share=share)
            return draft.node(
                f"{self.name}_joined{level}", level, first, second, fusion=Concat(), ops=(conv,)
            )

        p = join(fine, Edge(a), self._up(b))
        q = join(coarse, Edge(a, (_HALVE,)), Edge(b))
        made = {fine: p, coarse: q}
        for level in levels:
            if level < fine:
                made[level] = draft.node(f"{self.name}_{level}", level, self._up(p))
            elif level > coarse:
                halve = (_HALVE,) * (level - coarse)
                made[level] = draft.node(f"{self.name}_{level}", level, Edge(q, halve))
        return made

    def _gather(self, draft: Draft, level: int, edges: list[Edge]) -> str:
        if len(edges) == 1:
            return edges[0].source
        return draft.node(f"{self.name}_gathered{level}", level, *edges)

    def _scale_equalizing(self, draft: Draft, here: Levels) -> Levels:
        levels = sorted(here)

        def kernel(level: int, part: str, stride: int = 1) -> Op:
            return self._conv(level, here, stride=stride, share=f"{self.name}_{part}")

        made: dict[int, str] = {}
        for level in levels:
            edges = [Edge(here[level], (kernel(level, "same"),))]
            if level > levels[0]:
                edges.append(Edge(here[level - 1], (kernel(level, "below", 2),)))
            if level < levels[-1]:
                enlarge = Resize(mode=self.upsample)
                edges.append(Edge(here[level + 1], (kernel(level, "above"), enlarge)))
            made[level] = draft.node(f"{self.name}_{level}", level, *edges, ops=(Act(),))
        return made
