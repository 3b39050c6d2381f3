"""CenterNet's ResNet neck: 3x3 -> 4x4 deconvolution, three times, from the top (Zhou et al. 2019)."""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act, norms
from search_space.op import Op
from search_space.ops.deconv import Deconv
from search_space.ops.deform_conv import DeformConv

VARIANTS: Mapping[str, Mapping[str, object]] = {"dcn": {"deform": True}}


def build(
    channels: Mapping[int, int],
    *,
    widths: Sequence[int] = (256, 128, 64),
    deform: bool = False,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return CenterNet's neck; its one output is as many levels below the backbone's top as there are widths.

    Args:
        channels: of the backbone by level; only the topmost is used, the others give exact sizes.
        widths: channels after each deconvolution.
        deform: whether the 3x3 convolutions are deformable (version 2).
        norm: after every convolution.
        act: after every convolution.
    """
    level = max(channels, default=0)
    if not widths or level < len(widths):
        raise InvalidArchitecture(f"ct_resnet: level {level} cannot be doubled {len(widths)} times")
    draft = Draft(channels)
    source = draft.feature(level)
    for width in widths:
        level -= 1
        if level in channels:
            draft.feature(level)
        first: tuple[Op, ...] = conv_norm_act(width, 3, norm=norm, act=act)
        if deform:
            first = (DeformConv(width=width, modulated=True), *norms(norm), *acts(act))
        after = norms(norm)
        double = (Deconv(width=width, bias=not after), *after, *acts(act))
        source = draft.node(f"p{level}", level, Edge(source, first + double))
    return draft.finish({level: source})
