"""RepGFPN: a two-pass fusion of three levels with re-parameterisable ELAN stages (DAMO-YOLO, Xu et al. 2022).

x3 = [P5, d(P4)], x4 = [P4, d(P3), up x3], x5 = [P3, up x4], x7 = [x4, d x5], x6 = [x3, d x4, d x7]; d is
3x3 s2; each list is put side by side and passes a stage. Outputs are x5, x7, x6; x3 and x4 keep the
channels of the backbone at their levels.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.elan import ElanStage
from search_space.macros.layers import NormChoice
from search_space.ops.resize import Resize

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "t": {"widths": (64, 128, 256), "hidden": 1.0},
    "s": {"widths": (128, 256, 512), "hidden": 0.75},
    "m": {"widths": (128, 256, 512), "hidden": 1.0, "depth": 1.5, "act": "silu"},
    "deployed": {"deployed": True},
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    widths: Sequence[int] | int = (64, 128, 256),
    hidden: float = 1.0,
    depth: float = 1.0,
    deployed: bool = False,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return a RepGFPN of three levels.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, three in all, of the backbone; None takes its highest three.
        widths: channels of each output, from the lowest level, or one number for all.
        hidden: channels inside a block over those outside.
        depth: blocks of a stage over three.
        deployed: whether re-parameterisable convolutions are merged into one.
        norm: after every convolution but merged ones.
        act: after every convolution.
    """
    top = max(channels, default=0)
    own, above = split_levels(channels, levels or (top - 2, top))
    made_widths = (widths,) * 3 if isinstance(widths, int) else tuple(widths)
    if above or len(own) != 3 or len(made_widths) != 3:
        raise InvalidArchitecture(
            f"rep_gfpn has three levels of the backbone and widths, got {own}, {made_widths}"
        )
    draft = Draft(channels)
    stage = ElanStage(blocks=round(3 * depth), hidden=hidden, deployed=deployed, norm=norm, act=act)

    def down(source: str) -> Edge:
        return Edge(source, stage.cna(draft.width(source), 3, stride=2))

    def up(source: str) -> Edge:
        return Edge(source, (Resize(mode="nearest"),))

    (low, mid, high), (narrow, middle, wide) = own, made_widths
    p3, p4, p5 = (draft.feature(level) for level in own)
    x3 = stage.draw(draft, "x3", high, (p5, down(p4)), channels[high])
    x4 = stage.draw(draft, "x4", mid, (p4, down(p3), up(x3)), channels[mid])
    x5 = stage.draw(draft, "x5", low, (p3, up(x4)), narrow)
    x7 = stage.draw(draft, "x7", mid, (x4, down(x5)), middle)
    x6 = stage.draw(draft, "x6", high, (x3, down(x4), down(x7)), wide)
    return draft.finish({low: x5, mid: x7, high: x6})
