"""Routes of evaluated architectures."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from service import subnets
from service.callers import CallerDep, FrontsDep, StoreDep
from service.errors import NotFound, Pointed, Unacceptable
from service.filters import Filter, matching, parse_bounds
from service.models.base import Id, PageView
from service.models.subnets import CompareView, SubnetDetail, SubnetView
from service.openapi import REFUSALS, Responses
from service.paging import PagingDep
from service.replay import StrictRoute
from service.searches import require
from service.stores import evaluations

router = APIRouter(tags=["subnets"], route_class=StrictRoute)
MOST_COMPARED = 8
SVG: Responses = {200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}}
Suffix = Literal["json", "svg"]
DRAWING_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""A drawing opened on its own carries its rules within it, and nothing that runs."""


@router.get("/searches/{search_id}/subnets", responses=REFUSALS, operation_id="list_subnets")
def index(
    search_id: Id,
    caller: CallerDep,
    store: StoreDep,
    fronts: FrontsDep,
    paging: PagingDep,
    feasible: Annotated[
        bool | None, Query(description="only those that meet the constraints, or that do not")
    ] = None,
    on_front: Annotated[bool | None, Query(description="only those of rank 0, or the others")] = None,
    bound: Annotated[
        list[str] | None, Query(max_length=8, description="metric<=value or metric>=value")
    ] = None,
) -> PageView[SubnetView]:
    """List a search's evaluations in the order in which they were stored."""
    chosen = Filter(parse_bounds(bound or []), feasible, on_front)
    with store.database.read() as tx:
        search = require(tx, caller.owner, search_id)
        if chosen.is_empty:
            rows = evaluations.page(tx, search_id, paging.page)
        else:
            rows = matching(tx, fronts, search, chosen, paging.page)
        kept, token = paging.cut(rows, ("number",))
        return PageView(items=subnets.views(tx, kept), next_page_token=token)


@router.get("/subnets/{subnet_id}", responses=REFUSALS, operation_id="get_subnet")
def get(subnet_id: Id, caller: CallerDep, store: StoreDep) -> SubnetDetail:
    """Return one evaluated architecture with its graph and every score with its source."""
    with store.database.read() as tx:
        return subnets.detail(tx, subnets.require(tx, caller.owner, subnet_id))


@router.get(
    "/subnets/{subnet_id}/graph.{suffix}",
    responses=REFUSALS | SVG,
    operation_id="get_graph",
)
def graph(subnet_id: Id, suffix: Suffix, caller: CallerDep, store: StoreDep) -> Response:
    """Return the topology, as the architecture's JSON or drawn as SVG."""
    with store.database.read() as tx:
        document = subnets.architecture(tx, subnets.require(tx, caller.owner, subnet_id))
    if suffix == "json":
        return Response(document, media_type="application/json")
    return Response(_drawn(document), headers=DRAWING_HEADERS, media_type="image/svg+xml")


@router.get("/compare", responses=REFUSALS, operation_id="compare")
def compare(
    caller: CallerDep,
    store: StoreDep,
    subnet_ids: Annotated[str, Query(description="up to 8 ids, separated by commas", max_length=400)],
) -> CompareView:
    """Return up to eight subnets side by side."""
    wanted = list(dict.fromkeys(subnet_ids.split(",")))
    if len(wanted) > MOST_COMPARED:
        raise Unacceptable(Pointed("query/subnet_ids", f"at most {MOST_COMPARED} ids"))
    with store.database.read() as tx:
        found = [evaluations.get(tx, identifier, caller.owner) for identifier in wanted]
        if None in found:
            raise NotFound("one of the subnets does not exist")
        return CompareView(items=subnets.views(tx, [entry for entry in found if entry is not None]))


def _drawn(document: str) -> str:
    from importlib import import_module

    from search_space.architecture import Architecture

    return str(import_module("search_space.drawing").svg(Architecture.from_json(document)))
