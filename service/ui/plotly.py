"""Plotly's bundle without the kinds of traces that no page draws: scatter is a part of its core.

The bundle is a chain of lazy modules, ``var name=W((exports,module)=>{...});``, of which the last registers
every kind of trace. With an empty list there, three quarters of the text is never reached: it would only be
fetched and parsed. What a module reaches is read from the calls ``name()`` in it; too many are found where a
local function has a module's name, never too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from itertools import pairwise

TESTED = "plotly.js v4.1.1"
"""The version whose reduced form the tests draw every chart with; any other is served whole."""
_LIST = re.compile(r"var [\w$]+=W\(.{0,80}?\.register\(\[(?P<traces>(?:[\w$]+\(\),?)+)\]\)")
_MODULE = re.compile(r"(?<=[;\n}])var (?P<name>[\w$]+)=(?P<kind>W|Ea)\(\(?")
_CALL = re.compile(r"(?<![\w$.])([\w$]+)\(\)")


def scatter_only(bundle: str) -> str:
    """Return the bundle reduced to what draws scatters; as it is where it is not of the tested version."""
    last = _LIST.search(bundle)
    if TESTED not in bundle[:200] or last is None:
        return bundle
    heads = list(_MODULE.finditer(bundle, 0, last.start()))
    ends = [*(head.start() for head in heads[1:]), last.start()]
    modules = {head["name"]: bundle[head.start() : end] for head, end in zip(heads, ends, strict=True)}
    register = last[0].replace(last["traces"], "")
    fixed = _fixed(modules, {head["name"] for head in heads if head["kind"] != "W"})
    kept = _reached([*_CALL.findall(register), *fixed], modules)
    body = "".join(text for name, text in modules.items() if name in kept)
    return bundle[: heads[0].start()] + body + register + bundle[last.end() :]


def _fixed(modules: Mapping[str, str], other: Set[str]) -> list[str]:
    """Return the modules that may hold declarations for others: those of the other form, those before one of
    these, and those whose text goes on after their end.
    """
    before = {name for name, after in pairwise(modules) if after in other}
    return [name for name in modules if name in other | before or not modules[name].endswith("});")]


def _reached(roots: Iterable[str], modules: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    waiting = [name for name in roots if name in modules]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for other in _CALL.findall(modules[name]) if other in modules]
    return found
