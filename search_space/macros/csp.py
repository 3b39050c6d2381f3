"""Cross-stage partial blocks and the path aggregation that YOLOX and RTMDet build of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.concat import Concat
from search_space.ops.resize import Resize


@dataclass(frozen=True, kw_only=True)
class Csp:
    """A CSP block without residuals: 1x1 -> blocks beside a 1x1, side by side, 1x1.

    Attributes:
        blocks: bottlenecks on the main branch.
        large: bottlenecks of a 3x3 and a separable 5x5 (CSPNeXt) instead of a 1x1 and a 3x3 (Darknet).
        norm: after every convolution.
        act: after every convolution.
    """

    blocks: int
    large: bool
    norm: NormChoice
    act: str | None

    def cna(self, width: int, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> tuple[Op, ...]:
        """Return convolution, norm, activation."""
        return conv_norm_act(width, kernel, stride=stride, groups=groups, norm=self.norm, act=self.act)

    def draw(self, draft: Draft, name: str, level: int, inputs: Sequence[str | Edge], width: int) -> str:
        """Draw the block on the concatenation of `inputs`."""
        inner = width // 2
        whole = draft.node(f"{name}_cat", level, *inputs, fusion=Concat())
        main = draft.node(
            f"{name}_main", level, whole, ops=self.cna(inner) + self._block(inner) * self.blocks
        )
        short = draft.node(f"{name}_short", level, whole, ops=self.cna(inner))
        return draft.node(name, level, main, short, fusion=Concat(), ops=self.cna(width))

    def _block(self, width: int) -> tuple[Op, ...]:
        if self.large:
            return self.cna(width, 3) + self.cna(width, 5, groups=0) + self.cna(width)
        return self.cna(width) + self.cna(width, 3)


def csp_path_aggregation(
    draft: Draft, levels: Sequence[int], csp: Csp, *, upsample: Resize | None = None
) -> Mapping[int, str]:
    """Draw top-down and bottom-up paths of CSP blocks; each level keeps the backbone's width.

    The bottom-up path joins the reduced features of the top-down path, not its outputs.
    """
    enlarge = upsample or Resize(mode="nearest")
    widths = {level: draft.width(draft.feature(level)) for level in levels}
    inner = draft.feature(levels[-1])
    reduced: dict[int, str] = {}
    for level in reversed(levels[:-1]):
        above = level + 1
        reduced[above] = draft.node(f"reduce{above}", above, inner, ops=csp.cna(widths[level]))
        joined = (Edge(reduced[above], (enlarge,)), draft.feature(level))
        inner = csp.draw(draft, f"td{level}", level, joined, widths[level])
    made = {levels[0]: inner}
    for level in levels[1:]:
        down = Edge(made[level - 1], csp.cna(widths[level - 1], 3, stride=2))
        made[level] = csp.draw(draft, f"bu{level}", level, (down, reduced[level]), widths[level])
    return made
