"""The spaces that ship: the file names are the registry, one space a file."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from search_space.errors import UnknownName, near


@cache
def names() -> tuple[str, ...]:
    """Return the names of all spaces, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def space_class(name: str) -> Any:
    """Return the class of the space called `name`.

    Raises:
        UnknownName: no file of that name; the message offers near matches.
    """
    if name not in names():
        raise UnknownName(f"unknown space '{name}'{near(name, names())}")
    module = import_module(f"{__name__}.{name}")
    return next(value for value in vars(module).values() if getattr(value, "name", None) == name)
