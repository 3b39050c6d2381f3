"""The route by which trained supernets come in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.callers import CallerDep, StoreDep
from service.models.supernet_imports import SupernetImport
from service.models.supernets import SupernetView
from service.openapi import REFUSALS, links
from service.replay import FreshId, StrictRoute
from service.routes.supernets import view
from service.supernet_imports import take_in
from service.supernets import require

router = APIRouter(tags=["supernets"], route_class=StrictRoute)
MADE = links(201, ("get_supernet", "supernet_id"))


@router.post("/supernets:import", status_code=201, responses=REFUSALS | MADE, operation_id="import_supernet")
def post(
    request: SupernetImport, caller: CallerDep, store: StoreDep, identifier: FreshId, response: Response
) -> SupernetView:
    """Take in a supernet that was trained elsewhere, from its card and the weights that were sent before; it
    can be searched at once.
    """
    take_in(store, caller.owner, identifier, request)
    response.headers["Location"] = f"/api/v1/supernets/{identifier}"
    with store.database.read() as tx:
        return view(tx, require(tx, caller.owner, identifier))
