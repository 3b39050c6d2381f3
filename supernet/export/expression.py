"""Python expressions as data, and their layout as black and ruff would format them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

LINE_LENGTH = 88
INDENT = 4
_PRECEDENCE = {"+": 1, "*": 2, "/": 2, "//": 2}


class _Required:
    """Stands for `this argument has no default`."""


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Name:
    """A name, dotted or not."""

    text: str


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call.

    Attributes:
        name: the parameter's name.
        value: a literal, or an expression.
        default: left out of the call where the value equals it.
        keyword: whether it is written as `name=value`.
    """

    name: str
    value: "Value"
    default: object = REQUIRED
    keyword: bool = False

    @property
    def needed(self) -> bool:
        """Whether the call must say it."""
        return (
            isinstance(self.value, Expressions)
            or type(self.default) is _Required
            or self.value != self.default
        )


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    function: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Infix:
    """`a + b + c`."""

    operator: str
    operands: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`."""

    items: tuple["Value", ...]


Expression = Name | Call | Infix | Listing
Expressions = (Name, Call, Infix, Listing)
Literal = int | float | str | bool | None
Value = Expression | Literal


def call(function: str, *operands: Value, **keywords: Value) -> Call:
    """Return a call with positional operands, then keywords."""
    positional = tuple(Argument("", value) for value in operands)
    return Call(function, positional + tuple(Argument(k, v, keyword=True) for k, v in keywords.items()))


def text(value: Value) -> str:
    """Return the expression on one line."""
    if isinstance(value, Name):
        return value.text
    if isinstance(value, Call):
        return f"{value.function}({', '.join(map(_argument, _needed(value)))})"
    if isinstance(value, Listing):
        return f"[{', '.join(map(text, value.items))}]"
    if isinstance(value, Infix):
        return f" {value.operator} ".join(_operand(item, value.operator) for item in value.operands)
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(value: str) -> str:
    """Return the string as a literal in the quotes that black would choose."""
    if '"' in value and "'" not in value:
        return repr(value)
    return json.dumps(value)


def lines(prefix: str, value: Value, suffix: str = "", *, indent: int = 0) -> list[str]:
    """Return `prefix value suffix` on as few lines as black would use, indented by `indent` spaces."""
    pad = " " * indent
    line = f"{pad}{prefix}{text(value)}{suffix}"
    if len(line) <= LINE_LENGTH:
        return [line]
    if isinstance(value, Call) and _needed(value):
        body = _arguments(_needed(value), indent + INDENT)
        return [f"{pad}{prefix}{value.function}(", *body, f"{pad}){suffix}"]
    if isinstance(value, Listing) and value.items:
        body = _arguments([Argument("", item) for item in value.items], indent + INDENT)
        return [f"{pad}{prefix}[", *body, f"{pad}]{suffix}"]
    if isinstance(value, Infix):
        return [f"{pad}{prefix}(", *_operands(value, indent + INDENT), f"{pad}){suffix}"]
    return [line]


def _needed(value: Call) -> list[Argument]:
    """Arguments to write; a positional one is never left out before a later positional one."""
    wanted = [argument.needed for argument in value.arguments]
    positional = [i for i, argument in enumerate(value.arguments) if wanted[i] and not argument.keyword]
    last = max(positional, default=-1)
    return [
        argument
        for index, argument in enumerate(value.arguments)
        if wanted[index] or (index < last and not argument.keyword)
    ]


def _argument(argument: Argument) -> str:
    return f"{argument.name}={text(argument.value)}" if argument.keyword else text(argument.value)


def _operand(value: Value, operator: str) -> str:
    loose = isinstance(value, Infix) and _PRECEDENCE[value.operator] < _PRECEDENCE[operator]
    return f"({text(value)})" if loose else text(value)


def _arguments(arguments: Sequence[Argument], indent: int) -> list[str]:
    joined = " " * indent + ", ".join(map(_argument, arguments))
    if len(joined) <= LINE_LENGTH:
        return [joined]
    comma = "," if len(arguments) > 1 or arguments[0].keyword else ""
    found: list[str] = []
    for argument in arguments:
        prefix = f"{argument.name}=" if argument.keyword else ""
        found += lines(prefix, argument.value, comma, indent=indent)
    return found


def _operands(value: Infix, indent: int) -> list[str]:
    joined = " " * indent + text(value)
    if len(joined) <= LINE_LENGTH:
        return [joined]
    first, *rest = value.operands
    found = lines("", first, indent=indent)
    for item in rest:
        found += lines(f"{value.operator} ", item, indent=indent)
    return found


def leaves(value: Value) -> Iterator[tuple[str, Literal]]:
    """Yield (argument name, literal) of every literal argument of a call, calls inside it included."""
    if isinstance(value, Call):
        for argument in value.arguments:
            if isinstance(argument.value, Expressions):
                yield from leaves(argument.value)
            else:
                yield argument.name, argument.value


def with_leaves(value: Value, new: Callable[[Literal], Value]) -> Value:
    """Return the call with each literal argument replaced, in the order of `leaves`."""
    if not isinstance(value, Call):
        return value
    arguments = tuple(
        replace(a, value=with_leaves(a.value, new) if isinstance(a.value, Expressions) else new(a.value))
        for a in value.arguments
    )
    return Call(value.function, arguments)


def skeleton(value: Value) -> object:
    """Return what is left of a call without its literals: equal for calls of the same form."""
    if isinstance(value, Call):
        parts = tuple(
            (a.name, a.keyword, skeleton(a.value) if isinstance(a.value, Expressions) else None)
            for a in value.arguments
        )
        return value.function, parts
    return value


def literals(value: Value) -> tuple[tuple[type, Literal], ...]:
    """Return the literals of a call in order, told apart by type."""
    return tuple((type(literal), literal) for _, literal in leaves(value))


def blocks(value: Value) -> Iterator[Call]:
    """Yield every block of named layers, `nn.Sequential(OrderedDict(...))`, in a constructor."""
    if isinstance(value, Call):
        if value.function == "OrderedDict":
            yield call("nn.Sequential", value)
        for argument in value.arguments:
            if value.function != "OrderedDict":
                yield from blocks(argument.value)


def replaced(value: Call, new: Callable[[Call], Call | None]) -> Call:
    """Return the constructor with each block replaced by what `new` gives for it, if anything."""
    if value.function == "nn.Sequential":
        block = next(iter(blocks(value)), None)
        if block == value:
            return new(block) or value
    arguments = tuple(
        replace(a, value=replaced(a.value, new)) if isinstance(a.value, Call) else a for a in value.arguments
    )
    return Call(value.function, arguments)
