"""The CSP stage of DAMO-YOLO: re-parameterisable blocks whose every result is kept (ELAN)."""

from collections.abc import Sequence
from dataclasses import dataclass

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.macros.layers import NormChoice, acts, conv_norm_act
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv


@dataclass(frozen=True, kw_only=True)
class ElanStage:
    """1x1 beside 1x1 -> blocks; the first, and each block's result, side by side, 1x1.

    Attributes:
        blocks: each is x + 3x3(rep-3x3(x)).
        hidden: channels inside a block over those outside.
        deployed: whether a re-parameterisable convolution is one, or still the sum of two with norms.
        norm: after every convolution.
        act: after every convolution.
    """

    blocks: int
    hidden: float
    deployed: bool
    norm: NormChoice
    act: str | None

    def cna(self, width: int, kernel: int = 1, *, stride: int = 1) -> tuple[Op, ...]:
        """Return convolution, norm, activation."""
        return conv_norm_act(width, kernel, stride=stride, norm=self.norm, act=self.act)

    def draw(self, draft: Draft, name: str, level: int, inputs: Sequence[str | Edge], width: int) -> str:
        """Draw the stage on the concatenation of `inputs`."""
        first = width // 2
        whole = draft.node(f"{name}_cat", level, *inputs, fusion=Concat())
        kept = [draft.node(f"{name}_first", level, whole, ops=self.cna(first))]
        current = draft.node(f"{name}_main", level, whole, ops=self.cna(width - first))
        for index in range(self.blocks):
            current = self._block(draft, f"{name}_block{index}", level, current)
            kept.append(current)
        return draft.node(name, level, *kept, fusion=Concat(), ops=self.cna(width))

    def _block(self, draft: Draft, name: str, level: int, source: str) -> str:
        width = draft.width(source)
        inner = rep_conv(
            draft,
            f"{name}_rep",
            level,
            source,
            int(width * self.hidden),
            norm=self.norm,
            act=self.act,
            deployed=self.deployed,
        )
        return draft.node(name, level, source, Edge(inner, self.cna(width, 3)))


def rep_conv(
    draft: Draft,
    name: str,
    level: int,
    source: str,
    width: int,
    *,
    norm: NormChoice,
    act: str | None,
    deployed: bool,
) -> str:
    """Draw a 3x3 and a 1x1 convolution with norms, summed, or the one 3x3 convolution that equals them."""
    if deployed:
        return draft.node(name, level, source, ops=(Conv(width=width, kernel=3), *acts(act)))
    edges = [Edge(source, conv_norm_act(width, kernel, norm=norm)) for kernel in (3, 1)]
    return draft.node(name, level, *edges, ops=acts(act))
