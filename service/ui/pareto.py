"""The Pareto page: its frame, the points it draws, and its downloads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.callers import CallerDep, FrontsDep, StoreDep
from service.models.base import Id
from service.pareto import live_front, to_csv
from service.routes import searches as api
from service.searches import require
from service.states import ENDED
from service.stores import events
from service.ui import columns, figures, points
from service.ui.page import PageRoute, render, respond_json

router = APIRouter(route_class=PageRoute)
Chosen = Annotated[str | None, Query(max_length=96)]


@router.get("/searches/{search_id}/pareto")
def page(
    request: Request,
    search_id: Id,
    caller: CallerDep,
    store: StoreDep,
    fronts: FrontsDep,
    x: Chosen = None,
    y: Chosen = None,
) -> Response:
    """Show the front of a pair of metrics; without a script, as a table."""
    search = api.get(search_id, caller, store)
    with store.database.read() as tx:
        record = require(tx, caller.owner, search_id)
    view = points.view_of(record, fronts.points(search_id), x, y)
    pair = [entry.metric for entry in view.axes]
    front = live_front(store, fronts, record, ",".join(pair), None)
    shown = front.points or front.nearest
    rows = list({point.id: point for point in (*shown, *front.baselines)}.values())
    with store.database.read() as tx:
        last = events.last_number(tx, search_id)
    context: dict[str, Any] = {
        "columns": columns.of(rows, [*pair, *(name for name in view.metrics if name not in pair)]),
        "pairs": list(zip(front.objectives, front.reference or (), strict=False)),
        "ended": search.state in ENDED,
    }
    return render(
        request, "pareto.html", search=search, front=front, rows=rows, pair=pair, last=last, **context
    )


@router.get("/searches/{search_id}/pareto/points")
def data(
    request: Request,
    search_id: Id,
    caller: CallerDep,
    store: StoreDep,
    fronts: FrontsDep,
    x: Chosen = None,
    y: Chosen = None,
) -> Response:
    """Return the points that the page draws, with the search's state."""
    with store.database.read() as tx:
        search = require(tx, caller.owner, search_id)
    found = fronts.points(search_id)
    document = points.document(store, search, found, points.view_of(search, found, x, y))
    state = str(api.get(search_id, caller, store).state)
    shown = {*document["metrics"], document["x"]["metric"], document["y"]["metric"]}
    names = {name: figures.metric_name(name) for name in shown}
    return respond_json(
        request, document | {"state": state, "names": names, "sources": dict(figures.SOURCES)}
    )


@router.get("/searches/{search_id}/pareto.{suffix}")
def download(
    search_id: Id,
    suffix: Literal["csv", "json"],
    caller: CallerDep,
    store: StoreDep,
    fronts: FrontsDep,
    x: Chosen = None,
    y: Chosen = None,
) -> Response:
    """Return the front as the API gives it, as a file."""
    with store.database.read() as tx:
        search = require(tx, caller.owner, search_id)
    view = points.view_of(search, fronts.points(search_id), x, y)
    front = live_front(store, fronts, search, ",".join(entry.metric for entry in view.axes), None)
    text, media = (
        (to_csv(front), "text/csv") if suffix == "csv" else (front.model_dump_json(), "application/json")
    )
    headers = {"Content-Disposition": f'attachment; filename="pareto-{search_id}.{suffix}"'}
    return Response(text, 200, headers, f"{media}; charset=utf-8")
