"""Names that a person would give: of local tensors, of modules, and of what several nodes have in common."""

import builtins
import keyword
from collections.abc import Iterable, Sequence

_TAKEN = {
    "self",
    "torch",
    "nn",
    "F",
    "Tensor",
    "features",
    "super",
    "OrderedDict",
    "Neck",
    "json",
    "Path",
    "math",
}
_MODULE_ATTRIBUTES = {
    "training",
    "forward",
    "train",
    "eval",
    "half",
    "float",
    "double",
    "type",
    "to",
    "apply",
    "share",
}


def local(name: str, *, taken: Iterable[str] = ()) -> str:
    """Return `name`, lower-case and with an underscore where it would hide something else."""
    name = name.lower()
    hidden = name in _TAKEN or keyword.iskeyword(name) or hasattr(builtins, name) or name in set(taken)
    return f"{name}_" if hidden else name


def attribute(name: str) -> str:
    """Return `name`, usable as a module's attribute."""
    name = local(name)
    return f"{name}_" if name in _MODULE_ATTRIBUTES or name.startswith("_") else name


def unique(name: str, taken: Iterable[str]) -> str:
    """Return `name`, numbered from 2 where it is taken."""
    names = set(taken)
    found, number = name, 2
    while found in names:
        found, number = f"{name}{'' if name[-1].isalpha() else '_'}{number}", number + 1
    return found


def shared(names: Sequence[str]) -> str:
    """Return what several names have in common: `cls_3_out` and `cls_4_out` give `cls_out`."""
    split = [name.split("_") for name in names]
    if len({len(parts) for parts in split}) > 1:
        first = min(map(len, split))
        split = [parts[:first] for parts in split]
    kept = [parts[0] for parts in zip(*split, strict=True) if len(set(parts)) == 1]
    return "_".join(kept) or _prefix(names)


def _prefix(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rstrip("_0123456789") or names[0]


def camel(name: str) -> str:
    """Return `name` as a class's name."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)
