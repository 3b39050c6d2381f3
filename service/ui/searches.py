"""The pages of searches: the list, and one search with its stages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.callers import CallerDep, FrontsDep, StoreDep
from service.models.base import Id
from service.paging import PagingDep
from service.pareto import live_front
from service.routes import searches as api
from service.searches import require
from service.states import ENDED, MOVES, State
from service.stores import datasets, devices, evaluations, events, supernets
from service.ui import columns, stages
from service.ui.page import PageRoute, render, respond_json

router = APIRouter(route_class=PageRoute)


@router.get("/")
@router.get("/searches")
def index(
    request: Request,
    caller: CallerDep,
    store: StoreDep,
    paging: PagingDep,
    state: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """List the caller's searches, newest first."""
    chosen = State(state) if state in list(State) else None
    found = api.index(caller, store, paging, chosen)
    active = any(entry.state not in ENDED for entry in found.items)
    return render(request, "searches.html", found=found, chosen=chosen, states=list(State), active=active)


@router.get("/searches/{search_id}")
def page(request: Request, search_id: Id, caller: CallerDep, store: StoreDep, fronts: FrontsDep) -> Response:
    """Show one search: its stages, its curves, the front so far and what happened last."""
    search = api.get(search_id, caller, store)
    with store.database.read() as tx:
        record = require(tx, caller.owner, search_id)
        steps = stages.of(tx, record)
        supernet = supernets.get(tx, record.supernet_id)
        dataset = (
            None if supernet is None or supernet.dataset_id is None else datasets.get(tx, supernet.dataset_id)
        )
        device = None if record.device_id is None else devices.get(tx, record.device_id)
        latest, last = stages.latest(tx, search_id), events.last_number(tx, search_id)
        scored = [str(event.payload["id"]) for event in latest if event.payload.get("id")]
        numbers = {row.id: row.number for row in evaluations.by_ids(tx, scored)}
    front = live_front(store, fronts, record, None, None)
    return render(
        request,
        "search.html",
        search=search,
        stages=steps,
        supernet=supernet,
        dataset=dataset,
        device=device,
        latest=latest,
        numbers=numbers,
        last=last,
        front=front,
        columns=columns.of(front.points, [axis.metric for axis in front.objectives]),
        moves=[name for name, moves in MOVES.items() if search.state in moves],
        ended=search.state in ENDED,
        waits=stages.waits(steps),
    )


@router.get("/searches/{search_id}/curves")
def curves(
    request: Request, search_id: Id, caller: CallerDep, store: StoreDep, fronts: FrontsDep
) -> Response:
    """Return the loss and the hypervolume curves that the page draws."""
    with store.database.read() as tx:
        search = require(tx, caller.owner, search_id)
        loss = stages.losses(tx, search.supernet_id)
    found = stages.hypervolumes(fronts.points(search_id), search)
    return respond_json(request, {"loss": loss, "hypervolume": found})
