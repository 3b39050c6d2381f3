"""LR-ASPP: a high level gated by its mean, plus a low level's detail (MobileNetV3, Howard et al. 2019)."""

from collections.abc import Mapping

from search_space.architecture import Architecture, Edge
from search_space.draft import Draft
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.ops.act import Act
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.conv import Conv
from search_space.ops.product import Product
from search_space.ops.resize import Resize


def build(
    channels: Mapping[int, int],
    *,
    low: int | None = None,
    high: int | None = None,
    width: int = 128,
    inner: int = 128,
    norm: NormChoice = "batch",
    act: str | None = "relu",
) -> Architecture:
    """Return LR-ASPP; its one output is at the low level.

    Args:
        channels: of the backbone by level.
        low: level of the detail; None takes the backbone's lowest.
        high: level of the context; None takes the backbone's top.
        width: channels of the output: features, or classes.
        inner: channels of the context.
        norm: after the context's convolution.
        act: after it.
    """
    draft = Draft(channels)
    low = min(channels, default=0) if low is None else low
    high = max(channels, default=0) if high is None else high
    detail, context = draft.feature(low), draft.feature(high)
    reduced = draft.node("context", high, context, ops=conv_norm_act(inner, norm=norm, act=act))
    gate = (
        AdaptivePool(form="avg", to="pixel"),
        Conv(width=inner, kernel=1, bias=False),
        Act(form="sigmoid"),
    )
    gated = draft.node("gated", high, reduced, Edge(context, gate), fusion=Product())
    project = Conv(width=width, kernel=1)
    enlarge = Resize(mode="bilinear")
    made = draft.node("joined", low, Edge(detail, (project,)), Edge(gated, (enlarge, project)))
    return draft.finish({low: made})
