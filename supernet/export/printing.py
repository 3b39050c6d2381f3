"""Functions and classes as text, formatted as black and ruff would."""

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence

from supernet.export.body import Member, Statement
from supernet.export.expression import INDENT, LINE_LENGTH, Name, Value, lines
from supernet.export.source_ops import Helper
from supernet.export.template import Parameter


def signature(head: str, parameters: Sequence[str], result: str, *, indent: int = 0) -> list[str]:
    """Return `head(parameters) -> result:` on as many lines as it needs."""
    pad = " " * indent
    line = f"{pad}{head}({', '.join(parameters)}) -> {result}:"
    if len(line) <= LINE_LENGTH:
        return [line]
    inner = pad + " " * INDENT
    joined = inner + ", ".join(parameters)
    body = [joined] if len(joined) <= LINE_LENGTH else [f"{inner}{p}," for p in parameters]
    return [f"{pad}{head}(", *body, f"{pad}) -> {result}:"]


def annotated(parameters: Sequence[Parameter]) -> list[str]:
    """Return `name: int = default` for each parameter."""
    found: list[str] = []
    for parameter in parameters:
        kind = type(parameter.values[0]).__name__
        given = f" = {parameter.default!r}" if isinstance(parameter.default, int | float | str) else ""
        found.append(f"{parameter.name}: {kind}{given}")
    return found


def constructor(members: Sequence[Member], parameters: Sequence[Parameter] = ()) -> list[str]:
    """Return the `__init__` that makes the members."""
    head = signature("def __init__", ["self", *annotated(parameters)], "None", indent=INDENT)
    body = ["        super().__init__()"]
    for member in members:
        body += lines(f"self.{member.name} = ", member.call, indent=2 * INDENT)
    return [*head, *body]


def statements(found: Sequence[Statement], indent: int = 2 * INDENT) -> list[str]:
    """Return the statements."""
    written: list[str] = []
    for statement in found:
        made = lines(f"{', '.join(statement.targets)} = ", statement.value, indent=indent)
        if len(made[0]) > LINE_LENGTH and len(statement.targets) > 1:
            inner = " " * (indent + INDENT)
            made = [" " * indent + "(", *(f"{inner}{target}," for target in statement.targets)]
            made += lines(") = ", statement.value, indent=indent)
        written += made
    return written


def returned(values: Sequence[Value], indent: int = 2 * INDENT) -> list[str]:
    """Return `return a, b`."""
    texts = ", ".join(value.text if isinstance(value, Name) else str(value) for value in values)
    line = f"{' ' * indent}return {texts}"
    if len(line) <= LINE_LENGTH:
        return [line]
    inner = " " * (indent + INDENT)
    names = [f"{inner}{value.text}," for value in values if isinstance(value, Name)]
    return [f"{' ' * indent}return (", *names, f"{' ' * indent})"]


def helper_source(helper: Helper) -> str:
    """Return the text of a helper, without the space around it."""
    return textwrap.dedent(inspect.getsource(helper)).strip()


def mentions(source: str, name: str) -> bool:
    """Return whether `source` uses `name`."""
    return re.search(rf"(?<![\w.\"]){re.escape(name)}\b(?!=)", source) is not None


def dictionary(prefix: str, items: Mapping[int, object], *, indent: int) -> list[str]:
    """Return `prefix {key: value}`."""
    pairs = [f"{key}: {value}" for key, value in items.items()]
    pad = " " * indent
    line = f"{pad}{prefix}{{{', '.join(pairs)}}}"
    if len(line) <= LINE_LENGTH:
        return [line]
    return [f"{pad}{prefix}{{", *(f"{pad}{' ' * INDENT}{pair}," for pair in pairs), f"{pad}}}"]
