"""YOLOv3: five convolutions a level, enlarged beside the level below (Redmon and Farhadi 2018)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.ops.concat import Concat
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    width: int = 512,
    norm: NormChoice = "batch",
    act: str | None = "leaky_relu",
) -> Architecture:
    """Return YOLOv3's neck.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, all of the backbone; None takes its own.
        width: channels of the topmost output; each level below has half as many.
        norm: after every convolution.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels)
    if above or width >> (len(own) - 1) < 1:
        raise InvalidArchitecture(
            f"yolo_v3: {len(own)} levels of the backbone halve {width} channels too often"
        )
    draft = Draft(channels)
    made: dict[int, str] = {}
    for index, level in enumerate(reversed(own)):
        outputs = width >> index
        narrow = conv_norm_act(outputs, norm=norm, act=act)
        wide = conv_norm_act(2 * outputs, 3, norm=norm, act=act)
        block = narrow + wide + narrow + wide + narrow
        inputs: list[str | Edge] = [draft.feature(level)]
        if made:
            enlarge = (*narrow, Resize(mode="nearest"))
            inputs.insert(0, Edge(made[level + 1], enlarge))
        made[level] = draft.node(f"p{level}", level, *inputs, fusion=Concat() if index else None, ops=block)
    return draft.finish(made)
