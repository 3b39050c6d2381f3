"""PEM's pixel decoder: gated laterals, deformable convolutions, deconvolutions (Cavagnero et al. 2024).

1x1 CNA; x + x * sigmoid(sigmoid(MLP(GAP x))); deformable CNA; a 4x4 deconvolution is added to the next level.
"""

from collections.abc import Mapping, Sequence

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft, split_levels
from search_space.errors import InvalidArchitecture
from search_space.macros.layers import NormChoice, acts, conv_norm_act, norms
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.conv import Conv
from search_space.ops.deconv import Deconv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.product import Product

VARIANTS: Mapping[str, Mapping[str, object]] = {"plain": {"deform": False}}


def build(
    channels: Mapping[int, int],
    *,
    levels: Sequence[int] | None = None,
    width: int = 256,
    inner: int | None = None,
    deform: bool = True,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return PEM's pixel decoder.

    Args:
        channels: of the backbone by level.
        levels: lowest and highest level, all of the backbone; None takes its own.
        width: channels of every output.
        inner: channels inside the MLP of a gate; None is `width`.
        deform: whether the 3x3 convolutions are deformable (version 2).
        norm: after every convolution but those of gates.
        act: after every convolution but the last of a gate.
    """
    own, above = split_levels(channels, levels)
    if above:
        raise InvalidArchitecture(f"pem makes no levels above the backbone's, got {above}")
    draft = Draft(channels)
    after = norms(norm)
    smooth: tuple[Op, ...] = conv_norm_act(width, 3, norm=norm, act=act)
    if deform:
        smooth = (DeformConv(width=width, modulated=True, bias=not after), *after, *acts(act))
    double = (Deconv(width=width, bias=not after), *after, *acts(act))
    made: dict[int, str] = {}
    for level in reversed(own):
        gated = _gated(draft, level, width, inner or width, norm, act)
        below = [Edge(made[level + 1], double)] if made else []
        made[level] = draft.node(f"p{level}", level, gated, *below, ops=smooth)
    return draft.finish(made)


def _gated(draft: Draft, level: int, width: int, inner: int, norm: NormChoice, act: str | None) -> str:
    lateral = draft.node(
        f"lateral{level}", level, draft.feature(level), ops=conv_norm_act(width, norm=norm, act=act)
    )
    mlp = (Conv(width=inner, kernel=1), *acts(act), Conv(width=width, kernel=1))
    gate = (AdaptivePool(form="avg", to="pixel"), *mlp, Act(form="sigmoid"), Act(form="sigmoid"))
    scaled = draft.node(f"gate{level}", level, lateral, Edge(lateral, gate), fusion=Product())
    return draft.node(f"gated{level}", level, lateral, scaled)
