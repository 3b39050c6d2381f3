"""What a search is compared with: published necks by name, and necks that a client brought along."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluators.errors import EvaluatorError
from evaluators.latency.errors import LatencyError
from search.baselines import Baseline, named
from search.problem import Problem
from search.result import Outside
from search_space.architecture import Architecture
from search_space.errors import NotInSpace, SearchSpaceError
from search_space.space import Space
from service.errors import Pointed, Unacceptable
from service.store import Store


def baselines_of(problem: Problem, spec: Mapping[str, Any]) -> tuple[list[Baseline], list[Outside]]:
    """Return the search's baselines, and those that cannot be had, with the reason.

    A neck outside the space is trained briefly by whoever scores it.
    """
    space = problem.space
    assert isinstance(space, Space)
    wanted = [named(space, name) for name in spec["baselines"]]
    wanted += [_imported(space, entry) for entry in spec.get("imports", ())]
    found: list[Baseline] = []
    outside: list[Outside] = []
    for entry in wanted:
        place = entry if isinstance(entry, Outside) else _costed(problem, entry)
        (outside if isinstance(place, Outside) else found).append(place)  # type: ignore[arg-type]
    return found, outside


def _imported(space: Space, entry: Mapping[str, Any]) -> Baseline:
    graph = graph_of(entry)
    try:
        genotype = None if entry.get("weights") else space.embed(graph)
    except NotInSpace:
        genotype = None
    return Baseline(entry["name"], graph, genotype)


def _costed(problem: Problem, baseline: Baseline) -> Baseline | Outside:
    """Return the baseline, unless its cost on the device is not to be had."""
    try:
        problem.cheap(baseline.architecture)
    except (LatencyError, EvaluatorError) as error:
        return Outside(baseline.name, str(error))
    return baseline


def graph_of(entry: Mapping[str, Any]) -> Architecture:
    """Return the architecture of an imported neck."""
    return Architecture.from_json(json.dumps(entry["architecture"]))


def weights_of(store: Store, spec: Mapping[str, Any]) -> dict[str, Path]:
    """Return, by architecture key, local files with the weights that came with imported necks."""
    folder = store.settings.work_folder / "imports"
    found: dict[str, Path] = {}
    for entry in spec.get("imports", ()):
        if digest := entry.get("weights"):
            target = folder / f"{digest}.safetensors"
            if not target.exists():
                folder.mkdir(parents=True, exist_ok=True)
                with _copied(store, digest) as copy:
                    shutil.move(copy, target)
            found[graph_of(entry).key] = target
    return found


@contextmanager
def _copied(store: Store, digest: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=store.settings.work_folder / "imports") as folder:
        copy = Path(folder) / "weights.safetensors"
        with copy.open("wb") as file:
            file.writelines(store.files.read(digest, 0, 2**62))
        yield copy


def check_imports(store: Store, space: Mapping[str, Any], imports: Sequence[Mapping[str, Any]]) -> None:
    """Refuse an imported neck that is none, that another backbone feeds, or whose weights are another's.

    Raises:
        Unacceptable: with a pointer to what is wrong.
    """
    channels = Space.load(space).channels if imports else {}
    for index, entry in enumerate(imports):
        try:
            graph = graph_of(entry)
        except SearchSpaceError as error:
            raise Unacceptable(Pointed(f"/imports/{index}/architecture", str(error))) from error
        if graph.channels != channels:
            detail = f"reads {dict(graph.channels)} channels by level, the backbone gives {channels}"
            raise Unacceptable(Pointed(f"/imports/{index}/architecture", detail))
        if entry.get("weights"):
            _check_weights(store, graph, entry["weights"], pointer=f"/imports/{index}/weights")


def _check_weights(store: Store, graph: Architecture, digest: str, *, pointer: str) -> None:
    from supernet.errors import SupernetError
    from supernet.export.importing import load_neck

    if not store.files.exists(digest):
        raise Unacceptable(Pointed(pointer, "no such weights: send them to /weights first"))
    (store.settings.work_folder / "imports").mkdir(parents=True, exist_ok=True)
    with _copied(store, digest) as copy:
        try:
            load_neck(graph, copy)
        except (SupernetError, SearchSpaceError) as error:
            detail = str(error).replace(str(copy), "the weights")
            raise Unacceptable(Pointed(pointer, detail)) from error
