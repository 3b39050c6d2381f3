"""RTMDet: path aggregation with CSPNeXt blocks, depthwise 5x5 inside (Lyu et al. 2022)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture
from search_space.draft import Draft, split_levels
from search_space.macros.csp import Csp, csp_path_aggregation
from search_space.macros.layers import NormChoice, norms
from search_space.macros.paths import coarser, outputs

VARIANTS: Mapping[str, Mapping[str, object]] = {
    "s": {"width": 128, "repeats": 1},
    "m": {"width": 192, "repeats": 2},
    "l": {"width": 256, "repeats": 3},
    "x": {"width": 320, "repeats": 4},
}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    more: int = 0,
    width: int | None = 128,
    repeats: int = 1,
    norm: NormChoice = "batch",
    act: str | None = "silu",
) -> Architecture:
    """Return the neck.

    Args:
        channels: of the backbone by level; inside, each level keeps its width.
        levels: lowest and highest output level; None takes the backbone's own and `more` above.
        more: levels made by 3x3 s2 convolutions of the topmost output.
        width: channels of every output; None leaves out the last convolutions.
        repeats: bottlenecks of each CSP block.
        norm: after every convolution; a mere name gets eps 1e-3, momentum 0.03.
        act: after every convolution.
    """
    own, above = split_levels(channels, levels, more)
    made_norm = next(iter(norms(norm, eps=1e-3, momentum=0.03)), None)
    draft = Draft(channels)
    csp = Csp(blocks=repeats, large=True, norm=made_norm, act=act)
    made = dict(csp_path_aggregation(draft, own, csp))
    if width is not None:
        made = outputs(draft, made, width, kernel=3, norm=made_norm, act=act)
    top = made[own[-1]]
    made |= coarser(draft, above, top, draft.width(top), norm=made_norm, name="p")
    return draft.finish(made)
