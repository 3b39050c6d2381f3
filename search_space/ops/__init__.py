"""Every operation that an architecture may hold: the file names are the registry, one op a file."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from search_space.errors import UnknownOperation, near
from search_space.op import Op


@cache
def names() -> tuple[str, ...]:
    """Return the kinds of all operations, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def op_class(kind: str) -> type[Op]:
    """Return the class of operations called `kind`.

    Raises:
        UnknownOperation: no file of that name; the message offers near matches.
    """
    if kind not in names():
        raise UnknownOperation(f"unknown op '{kind}'{near(kind, names())}")
    module = import_module(f"{__name__}.{kind}")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Op)]
    return next(value for value in classes if value.__dict__.get("kind") == kind)


def from_record(record: Mapping[str, object]) -> Op:
    """Return the operation that `Op.to_record` wrote.

    Raises:
        UnknownOperation: its kind is not known.
        InvalidArchitecture: its attributes do not fit.
    """
    return op_class(str(record.get("op"))).from_record(record)
