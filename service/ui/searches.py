"""The pages of searches: the list, and one search with its stages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.callers import CallerDep, StoreDep
from service.paging import PagingDep
from service.routes import searches as api
from service.states import ENDED, State
from service.ui.page import PageRoute, render

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
