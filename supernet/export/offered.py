"""Which forms a neck can be handed out in: known from its operations alone, before anything is made.

Imports neither torch nor onnx, so that a server can say it at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pkgutil import iter_modules

from search_space.architecture import Architecture
from supernet.errors import ExportError


@dataclass(frozen=True)
class Format:
    """One form.

    Attributes:
        suffix: of the file's name.
        media_type: of its content.
        bare: whether its check runs in a `BareProcess`, which may be started ahead.
    """

    suffix: str
    media_type: str
    bare: bool = False


FORMATS: Mapping[str, Format] = {
    "bundle": Format("zip", "application/zip", bare=True),
    "safetensors": Format("safetensors", "application/octet-stream"),
    "onnx": Format("onnx", "application/octet-stream"),
    "source": Format("py", "text/x-python", bare=True),
    "torch_export": Format("pt2", "application/octet-stream"),
}
_REMEDY = "choose a neck without it, or search a space with export_safe"


def obstacles(architecture: Architecture) -> dict[str, str]:
    """Return, by format that this neck does not have, which operation keeps it from it and what to do."""
    plain = _first_beyond(architecture, "source_ops")
    if plain is not None:
        return dict.fromkeys(FORMATS, f"{plain} cannot be written as plain PyTorch; {_REMEDY}")
    onnxless = _first_beyond(architecture, "onnx_ops")
    return {} if onnxless is None else {"onnx": f"{onnxless} has no counterpart in ONNX; {_REMEDY}"}


def require(architecture: Architecture, name: str) -> None:
    """Return if the neck has this format.

    Raises:
        ExportError: it does not, or there is no such format; the message says what to do.
    """
    if name not in FORMATS:
        raise ExportError(f"there is no format '{name}'; choose one of {', '.join(FORMATS)}")
    if reason := obstacles(architecture).get(name):
        raise ExportError(reason)


def _first_beyond(architecture: Architecture, folder: str) -> str | None:
    for step in architecture.steps():
        if step.op.kind not in _kinds(folder):
            return f"'{step.path}' (level {step.node.level}): the operation '{step.op.kind}'"
    return None


@cache
def _kinds(folder: str) -> frozenset[str]:
    """Return the kinds of operations that a folder of writers has a file for; none is loaded."""
    found = find_spec(f"supernet.export.{folder}")
    assert found is not None and found.submodule_search_locations, folder
    return frozenset(module.name for module in iter_modules(found.submodule_search_locations))
