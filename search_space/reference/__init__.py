"""Published necks: one file each; the file names are the registry.

A file offers `build(channels, *, ...) -> Architecture` and, where there are any, `VARIANTS`: named presets of
its options, built as `name@variant`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import cast

from search_space.architecture import Architecture, check_level
from search_space.errors import InvalidArchitecture, UnknownName, near

_FREE = ("norm", "widths", "width")
"""Options that take values of several kinds; what they are given to checks them."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a neck and its default."""

    name: str
    default: object


@cache
def files() -> tuple[str, ...]:
    """Return the necks without their variants, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def names() -> list[str]:
    """Return every name that `build` takes: the necks and their variants, sorted."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    return tuple(
        name for file in files() for name in (file, *(f"{file}@{variant}" for variant in variants(file)))
    )


def variants(name: str) -> Mapping[str, Mapping[str, object]]:
    """Return the named presets of a neck's options."""
    return cast(Mapping[str, Mapping[str, object]], getattr(_module(name), "VARIANTS", {}))


def options(name: str) -> tuple[Option, ...]:
    """Return what a neck can be told, with the defaults of its variant, if one is named."""
    file, preset = _resolve(name)
    return tuple(Option(key, preset.get(key, default)) for key, default in _defaults(file).items())


def describe(name: str) -> str:
    """Return the first line of a neck's description."""
    return (inspect.getdoc(_module(name)) or "").partition("\n")[0]


def build(name: str, channels: Mapping[int, int], **options: object) -> Architecture:
    """Return the neck called `name` for a backbone with `channels` by level.

    Raises:
        UnknownName: no such neck, variant or option; the message offers near matches.
        LevelOutOfRange: the neck needs a level that the backbone does not offer.
        InvalidArchitecture: the options contradict one another or the channels.
    """
    file, preset = _resolve(name)
    known = _defaults(file)
    for option, value in options.items():
        if option not in known:
            raise UnknownName(f"neck '{file}' has no option '{option}'{near(option, known)}")
        _check_value(file, option, value, known[option])
    for level, count in channels.items():
        check_level("backbone", level, count)
    made = _module(file).build(dict(channels), **{**preset, **options})
    assert isinstance(made, Architecture), f"{file} built {type(made)}"
    return made


def _resolve(name: str) -> tuple[str, Mapping[str, object]]:
    file, at, variant = name.replace("-", "_").partition("@")
    if file not in files():
        raise UnknownName(f"unknown neck '{name}'{near(file, files())}")
    if not at:
        return file, {}
    known = variants(file)
    if variant not in known:
        raise UnknownName(f"neck '{file}' has no variant '{variant}'{near(variant, known)}")
    return file, known[variant]


def _check_value(file: str, option: str, value: object, default: object) -> None:
    """Refuse a value of another kind than the default's, which the builder would trip over."""
    kinds = {bool: bool, int: int | None, float: int | float, str: str | None}
    wanted = kinds.get(type(default))
    counted = isinstance(value, bool) and wanted is not bool
    if option == "repeats" and (not isinstance(value, int) or counted or value < 1):
        raise InvalidArchitecture(f"neck '{file}': repeats is a number of one or more, got {value!r}")
    if option in _FREE or wanted is None:
        return
    if counted or not isinstance(value, wanted):
        raise InvalidArchitecture(
            f"neck '{file}': option '{option}' is {value!r}, but its default is {default!r}; give one such"
        )


def _module(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name.replace('-', '_').partition('@')[0]}")


def _defaults(file: str) -> dict[str, object]:
    parameters = inspect.signature(_module(file).build).parameters.values()
    return {entry.name: entry.default for entry in parameters if entry.kind is entry.KEYWORD_ONLY}
