"""The front of a search."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from service.callers import AnswersDep, CallerDep, FrontsDep, StoreDep
from service.models.base import Id
from service.models.subnets import FrontView
from service.openapi import REFUSALS, Responses
from service.pareto import live_front, to_csv
from service.replay import StrictRoute
from service.searches import require

router = APIRouter(tags=["searches"], route_class=StrictRoute)
CSV: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get(
    "/searches/{search_id}/pareto",
    responses=REFUSALS | CSV,
    response_model=FrontView,
    operation_id="get_pareto",
)
def get(
    search_id: Id,
    caller: CallerDep,
    store: StoreDep,
    fronts: FrontsDep,
    answers: AnswersDep,
    objectives: Annotated[
        str | None, Query(max_length=256, description="one to four metrics, by commas")
    ] = None,
    constraints: Annotated[
        str | None, Query(max_length=512, description="such as latency_ms<=12,ap>=0.4")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> Response:
    """Return the front, its dominated neighbours, the baselines and the hypervolume, as JSON or CSV."""
    with store.database.read() as tx:
        search = require(tx, caller.owner, search_id)
    if "text/csv" in accept:
        table = to_csv(live_front(store, fronts, search, objectives, constraints))
        headers = {"Content-Disposition": f'attachment; filename="pareto-{search_id}.csv"'}
        return Response(table, 200, headers, "text/csv; charset=utf-8")
    return Response(answers.front(search, objectives, constraints), media_type="application/json")


@router.get(
    "/searches/{search_id}/front",
    responses=REFUSALS,
    operation_id="get_stored_front",
    response_class=Response,
)
def stored(search_id: Id, caller: CallerDep, store: StoreDep) -> Response:
    """Return the final front as it was stored when the search ended; it never changes."""
    from service.errors import NotFound
    from service.stores import searches

    with store.database.read() as tx:
        require(tx, caller.owner, search_id)
        found = searches.front(tx, search_id)
    if found is None:
        raise NotFound("the search has not ended with a front")
    return Response(found[1], media_type="application/json", headers={"ETag": f'"{found[0]}"'})
