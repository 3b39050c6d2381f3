"""The training's defaults, read from its source: the form shows them without loading torch."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType


@cache
def training() -> Mapping[str, object]:
    """Return the default of each field of ``TrainingSpec`` that is a literal."""
    body = next(
        node.body for node in _source().body if isinstance(node, ast.ClassDef) and node.name == "TrainingSpec"
    )
    return MappingProxyType(dict(_literals(body)))


@cache
def kept_backbone() -> Mapping[str, object]:
    """Return what the service trains by on a backbone that is kept, where nothing else is asked for."""
    found: dict[str, dict[str, object]] = dict(_literals(_source().body))  # type: ignore[arg-type]
    return MappingProxyType(found["FROZEN"])


def _source() -> ast.Module:
    found = importlib.util.find_spec("supernet.training.spec")
    assert found is not None and found.origin is not None
    return ast.parse(Path(found.origin).read_text())


@cache
def plugins(package: str) -> tuple[str, ...]:
    """Return the file names under a plug-in folder."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.submodule_search_locations is not None, package
    return tuple(sorted(entry.name for entry in pkgutil.iter_modules(found.submodule_search_locations)))


def _literals(body: list[ast.stmt]) -> list[tuple[str, object]]:
    fields = [node for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return [
        (node.target.id, ast.literal_eval(node.value))  # type: ignore[union-attr]
        for node in fields
        if isinstance(node.value, ast.Constant | ast.Tuple | ast.Dict)
    ]
