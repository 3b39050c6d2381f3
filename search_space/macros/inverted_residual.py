"""The inverted residual of MobileNetV2: widen, depthwise, narrow, without an activation at the end."""

from collections.abc import Sequence

from search_space.architecture import Edge
from search_space.draft import Draft
from search_space.macros.layers import NormChoice, conv_norm_act
from search_space.op import Op
from search_space.ops.concat import Concat


def inverted_residual(
    width: int, inner: int | None, kernel: int, *, stride: int = 1, norm: NormChoice, act: str | None
) -> tuple[Op, ...]:
    """Return 1x1 CNA to `inner` channels (None: left out), depthwise CNA, 1x1 CN to `width`."""
    expand = () if inner is None else conv_norm_act(inner, norm=norm, act=act)
    return (*expand, *_depthwise(inner or width, kernel, stride, norm, act), *conv_norm_act(width, norm=norm))


def _depthwise(width: int, kernel: int, stride: int, norm: NormChoice, act: str | None) -> tuple[Op, ...]:
    return conv_norm_act(width, kernel, stride=stride, groups=0, norm=norm, act=act)


def residual_chain(
    draft: Draft,
    name: str,
    level: int,
    inputs: Sequence[str | Edge],
    width: int,
    *,
    blocks: int,
    inner: int,
    kernel: int,
    expand_first: bool,
    norm: NormChoice,
    act: str | None,
) -> str:
    """Draw inverted residuals on the concatenation of `inputs`, with a residual where the width stays."""
    current = draft.node(f"{name}_cat", level, *inputs, fusion=Concat())
    for index in range(blocks):
        last = name if index == blocks - 1 else f"{name}_block{index}"
        given = draft.width(current)
        if index or expand_first:
            ops = inverted_residual(width, inner, kernel, norm=norm, act=act)
        else:
            ops = (*_depthwise(given, kernel, 1, norm, act), *conv_norm_act(width, norm=norm))
        if given == width:
            current = draft.node(last, level, current, Edge(current, ops))
        else:
            current = draft.node(last, level, current, ops=ops)
    return current
