"""The page of datasets: what is in them, what is wrong with them, and how to add one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.callers import CallerDep, StoreDep
from service.models.datasets import DigitsOptions
from service.paging import PagingDep
from service.routes import datasets as api
from service.states import ENDED
from service.ui.page import PageRoute, render

router = APIRouter(route_class=PageRoute)


@router.get("/datasets")
def page(request: Request, caller: CallerDep, store: StoreDep, paging: PagingDep) -> Response:
    """Show the datasets, newest first."""
    found = api.index(caller, store, paging)
    active = any(entry.state not in ENDED for entry in found.items)
    return render(request, "datasets.html", found=found, active=active, digits=DigitsOptions())
