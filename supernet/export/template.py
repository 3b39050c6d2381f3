"""Constructors of one form, written once: the parameters are what differs between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from supernet.export import naming
from supernet.export.expression import (
    REQUIRED,
    Argument,
    Call,
    Infix,
    Literal,
    Name,
    Value,
    leaves,
    skeleton,
    with_leaves,
)

_WIDTHS = {"in_channels", "out_channels", "num_features", "num_channels", "channels", "width"}
_NAMES = {
    "in_channels": "channels",
    "out_channels": "width",
    "num_features": "width",
    "num_channels": "width",
    "kernel_size": "kernel",
}
Column = tuple[Literal, ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, the value of each instance, and a default where most agree."""

    name: str
    values: Column
    default: object = REQUIRED


@dataclass(frozen=True)
class Template:
    """What instances have in common, with names where they differ, and the parameters of those names."""

    calls: tuple[Value, ...]
    parameters: tuple[Parameter, ...]

    def arguments(self, instance: int) -> tuple[Argument, ...]:
        """Return the arguments that make one instance."""
        return tuple(
            Argument(p.name, p.values[instance], p.default, keyword=p.default is not REQUIRED)
            for p in self.parameters
        )


def abstract(instances: Sequence[Sequence[Call]]) -> Template:
    """Return the template of instances that are made of calls of the same forms."""
    first = instances[0]
    assert all([skeleton(c) for c in calls] == [skeleton(c) for c in first] for calls in instances)
    names = [name for c in first for name, _ in leaves(c)]
    columns = list(
        zip(*([value for c in calls for _, value in leaves(c)] for calls in instances), strict=True)
    )
    chosen = _choose(names, columns)
    position = iter(range(len(columns)))
    calls = tuple(with_leaves(c, lambda value: chosen.values[next(position)]) for c in first)
    return Template(calls, chosen.parameters)


@dataclass(frozen=True)
class _Chosen:
    values: tuple[Value, ...]
    """What stands in each column's place."""
    parameters: tuple[Parameter, ...]


def _choose(names: Sequence[str], columns: Sequence[Column]) -> _Chosen:
    found: dict[str, Column] = {}
    values: list[Value] = []
    for index, (name, column) in enumerate(zip(names, columns, strict=True)):
        width = _is_width(name, column, columns, names)
        if not width and len(set(column)) == 1:
            values.append(column[0])
            continue
        known = next((n for n, c in found.items() if c == column and _same_idea(n, name, width=width)), None)
        derived = None if known else _derived(name, column, found)
        if derived is None and known is None:
            known = naming.unique(_parameter_name(name, index, names, width=width), found)
            found[known] = column
        values.append(derived if derived is not None else Name(known or ""))
    parameters = sorted((_parameter(n, c) for n, c in found.items()), key=lambda p: p.default is not REQUIRED)
    return _Chosen(tuple(values), tuple(parameters))


def _is_width(name: str, column: Column, columns: Sequence[Column], names: Sequence[str]) -> bool:
    if name in _WIDTHS:
        return True
    same = any(c == column and n in _WIDTHS for n, c in zip(names, columns, strict=True))
    return name == "groups" and same and column[0] != 1


def _same_idea(known: str, name: str, *, width: bool) -> bool:
    if known.startswith(("channels", "width")):
        return width
    return not width and known.rstrip("0123456789") == _NAMES.get(name, name)


def _parameter_name(name: str, index: int, names: Sequence[str], *, width: bool) -> str:
    if width and "in_channels" not in names[:index] and name == "in_channels":
        return "channels"
    return "width" if width else _NAMES.get(name, name)


def _derived(name: str, column: Column, found: dict[str, Column]) -> Value | None:
    """`padding=kernel // 2` where that holds for every instance."""
    kernel = found.get("kernel")
    if (
        name == "padding"
        and kernel
        and all(isinstance(k, int) and p == k // 2 for k, p in zip(kernel, column, strict=True))
    ):
        return Infix("//", (Name("kernel"), 2))
    return None


_DEFAULTS: dict[str, Literal] = {"stride": 1, "groups": 1, "dilation": 1, "bias": True, "padding": 0}


def _parameter(name: str, column: Column) -> Parameter:
    default = _DEFAULTS.get(name)
    return (
        Parameter(name, column, default)
        if default in column and name in _DEFAULTS
        else Parameter(name, column)
    )
