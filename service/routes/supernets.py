"""Routes of supernets."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from service import supernets as submitting
from service.callers import CallerDep, StoreDep
from service.models.base import Id, PageView, job_fields
from service.models.rankings import estimate_of
from service.models.supernets import NewSupernet, SupernetView
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import Supernet
from service.replay import FreshId, StrictRoute
from service.stores import jobs, rankings, supernets

router = APIRouter(prefix="/supernets", tags=["supernets"], route_class=StrictRoute)
MADE = links(201, ("get_supernet", "supernet_id"))


@router.post("", status_code=201, responses=REFUSALS | MADE, operation_id="post_supernet")
def post(
    request: NewSupernet, caller: CallerDep, store: StoreDep, identifier: FreshId, response: Response
) -> SupernetView:
    """Queue the training of a supernet; it starts when its dataset is ready."""
    submitting.submit(store, caller.owner, identifier, request)
    response.headers["Location"] = f"/api/v1/supernets/{identifier}"
    with store.database.read() as tx:
        return view(tx, submitting.require(tx, caller.owner, identifier))


@router.get("", responses=REFUSALS, operation_id="list_supernets")
def index(caller: CallerDep, store: StoreDep, paging: PagingDep) -> PageView[SupernetView]:
    """List the caller's supernets, newest first."""
    with store.database.read() as tx:
        kept, token = paging.cut(supernets.page(tx, caller.owner, paging.page), ("created_at", "id"))
        return PageView(items=[view(tx, supernet) for supernet in kept], next_page_token=token)


@router.get("/{supernet_id}", responses=REFUSALS, operation_id="get_supernet")
def get(supernet_id: Id, caller: CallerDep, store: StoreDep) -> SupernetView:
    """Return one supernet with its training's progress."""
    with store.database.read() as tx:
        return view(tx, submitting.require(tx, caller.owner, supernet_id))


def view(tx: Connection, supernet: Supernet) -> SupernetView:
    """Return the supernet as clients see it: the server's own paths are left out."""
    job = jobs.get(tx, supernet.id)
    assert job is not None, supernet.id
    hidden = ("dataset",)
    spec = {name: value for name, value in supernet.spec.items() if name not in hidden}
    if isinstance(spec.get("backbone"), dict) and spec["backbone"].get("pretrained_file"):
        spec["backbone"] = {
            **spec["backbone"],
            "pretrained_file": spec["backbone"]["pretrained_file"].rsplit("/")[-1],
        }
    return SupernetView(
        **job_fields(job),
        id=supernet.id,
        name=supernet.name,
        dataset_id=supernet.dataset_id,
        spec=spec,
        revision=supernet.revision,
        ranking=estimate_of(ranked.result if (ranked := rankings.latest(tx, supernet.id)) else None),
    )
