"""Convolution, norm and activation in their usual orders."""

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args, get_type_hints

from search_space.errors import InvalidArchitecture, near
from search_space.op import Op
from search_space.ops.act import Act
from search_space.ops.conv import Conv, Padding
from search_space.ops.norm import Norm

NormChoice = Norm | str | None
"""A norm, or its form ("batch", "frozen", "sync", "group", "group:16" for 16 groups), or None / "none"."""


def norms(choice: NormChoice, *, eps: float = 1e-5, momentum: float = 0.1) -> tuple[Norm, ...]:
    """Return the chosen norm as no or one operation; `eps` and `momentum` are those of a mere name.

    Raises:
        InvalidArchitecture: no norm has that name.
    """
    if choice is None or choice == "none":
        return ()
    if isinstance(choice, Norm):
        return (choice,)
    form, _, groups = choice.partition(":")
    _check("norm", form, get_args(get_type_hints(Norm)["form"]))
    if groups and not (form == "group" and groups.isdigit() and int(groups)):
        raise InvalidArchitecture(f"norm '{choice}': groups are written as in 'group:16'")
    made = Norm(form=form, eps=eps, momentum=momentum)  # type: ignore[arg-type]
    return (replace(made, groups=int(groups)),) if groups else (made,)


def acts(form: str | None) -> tuple[Act, ...]:
    """Return the activation called `form` as no or one operation.

    Raises:
        InvalidArchitecture: no activation has that name.
    """
    if form is None or form == "none":
        return ()
    _check("act", form, get_args(get_type_hints(Act)["form"]))
    return (Act(form=form),)  # type: ignore[arg-type]


def _check(what: str, given: str, known: Iterable[str]) -> None:
    known = (*known, "none")
    if given not in known:
        raise InvalidArchitecture(f"unknown {what} '{given}'{near(given, known)}")


def conv_norm_act(
    width: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    norm: NormChoice = None,
    act: str | None = None,
    padding: Padding = "zeros",
    bias: bool = False,
) -> tuple[Op, ...]:
    """Return convolution, norm, activation; the convolution has a bias where no norm follows, or as told."""
    after = norms(norm)
    conv = Conv(
        width=width,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        bias=bias or not after,
        padding=padding,
    )
    return (conv, *after, *acts(act))


def act_conv_norm(
    width: int, kernel: int = 1, *, stride: int = 1, norm: NormChoice = None, act: str | None = None
) -> tuple[Op, ...]:
    """Return activation, convolution, norm; the convolution has a bias where no norm follows."""
    return (*acts(act), *conv_norm_act(width, kernel, stride=stride, norm=norm))
