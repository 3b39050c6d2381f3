"""What all nodes of a space have in common, and the shared operations that follow from it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from search_space import ops
from search_space.errors import InvalidSpace, near
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.gate import Gate
from search_space.ops.mean import Mean
from search_space.ops.norm import Norm
from search_space.ops.pool import Pool
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum
from search_space.ops.weighted_sum import WeightedSum

NormForm = Literal["none", "batch", "sync", "frozen", "group"]
ActForm = Literal["none", "relu", "relu6", "silu", "hard_swish", "leaky_relu", "gelu"]
Order = Literal["act_conv_norm", "conv_norm_act"]


class Form(NamedTuple):
    """What a node operation is: its kind, and the side of its kernel in pixels."""

    kind: Literal["dense", "separable", "deformable"]
    kernel: int


OPS: dict[str, Form] = {
    "conv1": Form("dense", 1),
    "dw3": Form("separable", 3),
    "dw5": Form("separable", 5),
    "dw7": Form("separable", 7),
    "conv3": Form("dense", 3),
    "deform3": Form("deformable", 3),
    "conv5": Form("dense", 5),
}
"""Node operations from cheap to dear: convolutions, depthwise-separable and deformable ones."""
ATTENTIONS = ("none", "eca", "se", "scse", "ela", "coordinate")
"""Attention after a node's operation, from cheap to dear; each but none is an operation."""
FUSIONS = ("sum", "mean", "fast", "softmax", "gate", "concat")
"""Fusions from cheap to dear; `fast` and `softmax` are weighted sums, `concat` ends with a 1x1 conv."""


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """Norm, activation and resampling of every node; equal to itself only, which makes it a quick key.

    Attributes:
        norm: after each convolution; convolutions have a bias where it is none.
        groups: channel groups of a group norm.
        act: activation.
        order: whether activations stand before or after convolution and norm.
        resize: how coarser levels are enlarged.
        padding: of convolutions larger than 1x1: symmetric zeros, or TensorFlow's.
    """

    norm: NormForm = "batch"
    groups: int = 16
    act: ActForm = "relu"
    order: Order = "act_conv_norm"
    resize: Literal["nearest", "bilinear"] = "nearest"
    padding: Literal["zeros", "same"] = "zeros"

    def __post_init__(self) -> None:
        among("norm", [self.norm], get_args(NormForm))
        among("act", [self.act], get_args(ActForm))
        among("order", [self.order], get_args(Order))
        among("resize", [self.resize], ("nearest", "bilinear"))


def among(option: str, given: object, known: tuple[object, ...]) -> None:
    """Raise `InvalidSpace` unless `given` is a list of one or more distinct known values."""
    if not isinstance(given, list | tuple) or not given:
        raise InvalidSpace(f"option '{option}' is a list of one or more of {list(known)}; got {given!r}")
    for value in given:
        if value not in known:
            raise InvalidSpace(
                f"option '{option}': unknown value {value!r}{near(str(value), map(str, known))}"
            )
    if len(set(given)) < len(given):
        raise InvalidSpace(f"option '{option}' repeats a value: {list(given)}")


_interned = lru_cache(maxsize=1 << 16)


@_interned
def bare(style: Style) -> Style:
    """Return the style without norm and activation."""
    return replace(style, norm="none", act="none", padding="zeros")


@_interned
def norm(style: Style, share: str) -> tuple[Op, ...]:
    """Return the norm behind the convolution `share`, if there is one."""
    if style.norm == "none":
        return ()
    if style.norm == "group":
        return (Norm(form="group", groups=style.groups, share=f"{share}_norm"),)
    return (Norm(form=style.norm, share=f"{share}_norm"),)


@_interned
def act(style: Style) -> tuple[Op, ...]:
    """Return the activation, if there is one."""
    return () if style.act == "none" else (Act(form=style.act),)


@_interned
def rectified(style: Style) -> tuple[Op, ...]:
    """Return the activation, ReLU where there is none."""
    return act(style) or (Act(form="relu"),)


@_interned
def conv(
    style: Style,
    width: int,
    kernel: int,
    share: str,
    stride: int = 1,
    *,
    biased: bool = False,
    moved: bool | None = None,
    norm_share: str = "",
) -> tuple[Op, ...]:
    """Return convolution and norm, and the activation where it comes last.

    Args:
        style: of the space.
        width: output channels.
        kernel: side in pixels.
        share: of the convolution.
        stride: in pixels.
        biased: whether a bias stands even in front of a norm.
        moved: not None makes it deformable; False leaves the taps where they are, as tied ones may.
        norm_share: prefix of the norm's share, by default `share`.
    """
    bias = biased or style.norm == "none"
    made: Op
    if moved is None:
        padding = style.padding if kernel > 1 else "zeros"
        made = Conv(width=width, kernel=kernel, stride=stride, bias=bias, padding=padding, share=share)
    else:
        made = DeformConv(width=width, kernel=kernel, stride=stride, bias=bias, deform=moved, share=share)
    after = act(style) if style.order == "conv_norm_act" else ()
    return (made, *norm(style, norm_share or share), *after)


@_interned
def operation(
    style: Style,
    name: str,
    width: int,
    share: str,
    *,
    attention: str = "none",
    biased: bool = False,
) -> tuple[Op, ...]:
    """Return the node operation `name` of `OPS` with its norm, activation and attention.

    Args:
        style: of the space.
        name: of `OPS`.
        width: output channels.
        share: prefix of the shares of its weights.
        attention: of `ATTENTIONS`.
        biased: whether a bias stands even in front of a norm.
    """
    kind, kernel = OPS[name]
    before = act(style) if style.order == "act_conv_norm" else ()
    after = attend(attention, share)
    share = f"{share}_{name}"
    if kind != "separable":
        moved = True if kind == "deformable" else None
        return (*before, *conv(style, width, kernel, share, biased=biased, moved=moved), *after)
    padding = style.padding
    depthwise = Conv(
        width=width, kernel=kernel, groups=0, bias=False, padding=padding, share=f"{share}_depthwise"
    )
    return (*before, depthwise, *conv(style, width, 1, f"{share}_pointwise", biased=biased), *after)


@_interned
def attend(name: str, share: str) -> tuple[Op, ...]:
    """Return the attention `name` of `ATTENTIONS`, if there is one."""
    return () if name == "none" else (ops.op_class(name)(share=f"{share}_{name}"),)


@_interned
def fusion(name: str, width: int, share: str) -> tuple[Op, tuple[Op, ...]]:
    """Return the fusion `name` of `FUSIONS` and the operations that belong to it."""
    if name in ("fast", "softmax"):
        return WeightedSum(form=name, share=f"{share}_{name}"), ()  # type: ignore[arg-type]
    if name == "concat":
        return Concat(), (Conv(width=width, kernel=1, share=f"{share}_mix"),)
    return {"sum": Sum(), "mean": Mean(), "gate": Gate()}[name], ()


@_interned
def down(style: Style, name: str, width: int, share: str) -> tuple[Op, ...]:
    """Return what shrinks the level below: pool2 or pool (2x2 or 3x3 max) or conv (3x3, stride 2)."""
    return conv(style, width, 3, share, 2) if name == "conv" else pooled(1, 2 if name == "pool2" else 3)


@_interned
def enlarge(style: Style) -> tuple[Op, ...]:
    """Return the resampling from a coarser level."""
    return (Resize(mode=style.resize),)


@_interned
def pooled(steps: int, kernel: Literal[2, 3] = 3) -> tuple[Op, ...]:
    """Return the max-pooling from a level finer by `steps`."""
    padding: Literal["same", "neg_inf"] = "same" if kernel == 2 else "neg_inf"
    return (Pool(form="max", kernel=kernel, stride=2, padding=padding),) * steps
