"""Context of one level: pooled at several scales (DAPPM), or seen through several dilations (ASPP)."""

from collections.abc import Sequence

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.macros.layers import NormChoice, acts, conv_norm_act, norms
from search_space.op import Op
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize


def norm_act_conv(width: int, kernel: int = 1, *, norm: NormChoice, act: str | None) -> tuple[Op, ...]:
    """Return norm, activation, convolution without bias."""
    return (*norms(norm), *acts(act), Conv(width=width, kernel=kernel, bias=norm in (None, "none")))


def dappm(
    draft: Draft,
    level: int,
    source: str,
    width: int,
    inner: int,
    *,
    scales: Sequence[tuple[int, int]] = ((5, 2), (9, 4), (17, 8)),
    norm: NormChoice,
    act: str | None,
) -> str:
    """Draw deep aggregation pyramid pooling; `scales` are (kernel, stride) of average pools."""
    nac = norm_act_conv(inner, norm=norm, act=act)
    enlarge = Resize(mode="bilinear")
    pools: list[Op] = [
        Pool(form="avg", kernel=kernel, stride=stride, padding="zeros") for kernel, stride in scales
    ]
    pools.append(AdaptivePool(form="avg", to="pixel"))
    kept = [draft.node("scale0", level, source, ops=nac)]
    for index, pool in enumerate(pools, start=1):
        arrived = Edge(source, (pool, *nac, enlarge))
        refine = norm_act_conv(inner, 3, norm=norm, act=act)
        kept.append(draft.node(f"scale{index}", level, arrived, kept[-1], ops=refine))
    joined = draft.node("joined", level, *kept, fusion=Concat(), ops=norm_act_conv(width, norm=norm, act=act))
    return draft.node("dappm", level, joined, Edge(source, norm_act_conv(width, norm=norm, act=act)))


def aspp(
    draft: Draft,
    level: int,
    source: str,
    width: int,
    *,
    dilations: Sequence[int],
    norm: NormChoice,
    act: str | None,
) -> str:
    """Draw atrous spatial pyramid pooling: 1x1, a 3x3 a dilation, the whole map's mean; side by side, 1x1."""
    point = conv_norm_act(width, norm=norm, act=act)
    kept = [draft.node("point", level, source, ops=point)]
    for dilation in dilations:
        wide = conv_norm_act(width, 3, dilation=dilation, norm=norm, act=act)
        kept.append(draft.node(f"dilated{dilation}", level, source, ops=wide))
    whole = Edge(source, (AdaptivePool(form="avg", to="pixel"), *point, Resize(mode="bilinear")))
    kept.append(draft.node("whole", level, whole))
    return draft.node("aspp", level, *kept, fusion=Concat(), ops=point)
