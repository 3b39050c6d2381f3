"""Training specifications: resolved from a request, checked before anything is queued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_space.errors import SearchSpaceError
from service.errors import Pointed, Unacceptable
from supernet.errors import SupernetError, UnknownRule, WeightMismatch

UNSET_DATASET = ""
"""The dataset's folder is known to the worker only; a stored specification leaves it out."""


def training_spec(
    *,
    space: str | Mapping[str, Any],
    backbone: Mapping[str, Any],
    seed: int,
    given: Mapping[str, Any],
    task: str = "detection",
) -> dict[str, Any]:
    """Return the training's full specification as JSON, every default filled in and the dataset left out.

    Raises:
        Unacceptable: with a pointer to the value at fault.
    """
    from supernet.training.spec import spec_from_record, spec_to_record

    record = {"space": _space_record(space), "backbone": dict(backbone), "seed": seed, **given}
    if task != "detection":
        raise Unacceptable(Pointed("/task", f"unknown task {task!r}: 'detection' is what there is"))
    try:
        spec = spec_from_record({"dataset": UNSET_DATASET, **record})
    except SupernetError as error:
        raise Unacceptable(Pointed(_pointer(str(error)), str(error))) from error
    _check_rule(spec.rule)
    channels = _channels(spec)
    resolved = spec_to_record(spec)
    resolved["space"] = _resolved_space(spec.space, channels)
    return resolved


def _space_record(space: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"space": space} if isinstance(space, str) else dict(space)


def _channels(spec: Any) -> dict[int, int]:
    from supernet.backbone import Backbone

    try:
        return dict(Backbone(spec.backbone, spec.levels).channels)
    except UnknownRule as error:
        raise Unacceptable(Pointed("/backbone/name", str(error))) from error
    except WeightMismatch as error:
        raise Unacceptable(Pointed("/backbone", str(error))) from error


def _check_rule(name: str) -> None:
    import pkgutil

    from search_space.errors import near
    from supernet.training import rules

    known = [entry.name for entry in pkgutil.iter_modules(rules.__path__)]
    if name not in known:
        raise Unacceptable(Pointed("/rule", f"no training rule {name!r}{near(name, known)}"))


def _resolved_space(record: Mapping[str, Any], channels: Mapping[int, int]) -> dict[str, Any]:
    from search_space.space import Space
    from supernet.detector import space_record

    try:
        space = Space.load(space_record(record, channels))
        space.architecture(space.largest())
        return space.spec()
    except (SearchSpaceError, TypeError, ValueError) as error:
        raise Unacceptable(Pointed("/space", str(error))) from error


def _pointer(message: str) -> str:
    word = message.split(" ", 1)[0].rstrip(":")
    return "/" + word.removeprefix("training").strip(".").replace(".", "/")
