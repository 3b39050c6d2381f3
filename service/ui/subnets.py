"""The pages of evaluated necks: one of them, and up to eight side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from search.objectives import METRICS, metric
from search_space.architecture import Architecture
from service import subnets
from service.callers import CallerDep, StoreDep
from service.errors import Pointed, Unacceptable
from service.models.base import Id
from service.models.subnets import SubnetView
from service.records import StoredEvaluation
from service.routes import subnets as api
from service.stores import devices, evaluations, searches, supernets
from service.ui import columns, topology
from service.ui.page import PageRoute, render

router = APIRouter(route_class=PageRoute)
FORMATS = (
    ("bundle", "Bundle", "weights, source, graph, reference outputs and a card with every score, as one zip"),
    ("safetensors", "Weights", "safetensors, for the source below"),
    ("onnx", "ONNX", "any batch and image size"),
    ("source", "Source", "plain PyTorch, one file, needs torch alone"),
)


@router.get("/subnets/{subnet_id}")
def page(request: Request, subnet_id: Id, caller: CallerDep, store: StoreDep) -> Response:
    """Show one neck: its topology, its scores with their sources, its files and how to load them."""
    subnet = api.get(subnet_id, caller, store)
    with store.database.read() as tx:
        search = searches.get(tx, subnet.search_id, caller.owner)
        assert search is not None, subnet.search_id
        supernet = supernets.get(tx, search.supernet_id)
        device = None if search.device_id is None else devices.get(tx, search.device_id)
        stored = subnets.require(tx, caller.owner, subnet_id)
        architecture = Architecture.from_json(subnets.architecture(tx, stored))
    return render(
        request,
        "subnet.html",
        subnet=subnet,
        stored=stored,
        search=search,
        device=device,
        formats=FORMATS,
        architecture=architecture,
        nodes=topology.nodes(architecture),
        drawing=topology.drawing(architecture),
        choices=_choices(stored, {} if supernet is None else dict(supernet.spec)),
        meanings={
            score.metric: METRICS[base].meaning for score in subnet.scores if (base := _base(score.metric))
        },
    )


@router.get("/compare")
def compare(
    request: Request,
    caller: CallerDep,
    store: StoreDep,
    subnet_ids: Annotated[str, Query(max_length=400)] = "",
    base: Annotated[str, Query(max_length=36)] = "",
    other: Annotated[str, Query(max_length=36)] = "",
) -> Response:
    """Show up to eight necks side by side, and how two of their topologies differ."""
    if not subnet_ids:
        return render(request, "compare.html", items=[], pair=None)
    items = api.compare(caller, store, subnet_ids).items
    with store.database.read() as tx:
        graphs = {item.id: _architecture(tx, item) for item in items}
        names = {search_id: _label(tx, search_id) for search_id in {item.search_id for item in items}}
    pair = _pair(items, base, other)
    sides = None if pair is None else (graphs[pair[0].id], graphs[pair[1].id])
    metrics = sorted(columns.metrics_of(items), key=lambda name: [*METRICS, name].index(name))
    return render(
        request,
        "compare.html",
        items=items,
        names=names,
        columns=columns.of(items, metrics),
        best={name: _best(items, name) for name in metrics},
        drawings={identifier: topology.drawing(graph) for identifier, graph in graphs.items()},
        pair=pair,
        changes=None if sides is None else topology.differences(*sides),
        together=None if sides is None else topology.drawn_together(*sides),
    )


def _base(name: str) -> str | None:
    base = name.partition("@")[0]
    return base if base in METRICS else None


def _choices(stored: StoredEvaluation, spec: dict[str, Any]) -> list[tuple[str, object]]:
    """Return the genes that mean something for this neck, with what was chosen."""
    from search_space.errors import SearchSpaceError
    from search_space.space import Space

    if stored.genotype is None or not spec.get("space"):
        return []
    try:
        space = Space.load(spec["space"])
        active = space.active(stored.genotype)
    except SearchSpaceError:  # the space has changed since; the graph itself is stored and shown
        return []
    chosen = zip(space.genes, stored.genotype, active, strict=True)
    return [(gene.name, gene.choices[index]) for gene, index, is_active in chosen if is_active]


def _architecture(tx: Connection, item: SubnetView) -> Architecture:
    document = evaluations.architecture(tx, item.key)
    assert document is not None, item.key
    return Architecture.from_json(document)


def _label(tx: Connection, search_id: str) -> str:
    search = searches.get(tx, search_id)
    assert search is not None, search_id
    return search.label


def _pair(items: Sequence[SubnetView], base: str, other: str) -> tuple[SubnetView, SubnetView] | None:
    """Return the two necks whose topologies are compared: those asked for, else the first two."""
    known = {item.id: item for item in items}
    for wanted in (base, other):
        if wanted and wanted not in known:
            raise Unacceptable(Pointed("query/base", "choose two of the necks that are compared"))
    if len(items) < 2:
        return None
    first = known[base] if base else items[0]
    second = known[other] if other else next(item for item in items if item.id != first.id)
    return first, second


def _best(items: Sequence[SubnetView], name: str) -> set[str]:
    """Return the ids of the necks that are best in a metric, among values of one source only."""
    scores = [(score, item.id) for item in items for score in item.scores[:] if score.metric == name]
    first = {identifier: score for score, identifier in reversed(scores)}
    if _base(name) is None or len({score.source for score in first.values()}) != 1 or len(first) < 2:
        return set()
    values = [score.value for score in first.values()]
    best = min(values) if metric(name).direction == "minimise" else max(values)
    return {identifier for identifier, score in first.items() if score.value == best}
