"""Routes of searches: submit, validate, list, watch, cancel, pause, resume."""

from __future__ import annotations

from functools import cache, partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from service import searches as submitting
from service.callers import CallerDep, StoreDep
from service.estimates import estimate
from service.models.base import Id, Name, PageView, job_fields
from service.models.rankings import EstimateView, estimate_of
from service.models.searches import NewSearch, SearchView, StateView, Validation
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import Job, Search
from service.replay import FreshId, StrictRoute
from service.states import State
from service.store import Store
from service.stores import jobs, rankings, searches

router = APIRouter(tags=["searches"], route_class=StrictRoute)
MADE = links(
    201,
    ("get_search", "search_id"),
    ("cancel_search", "search_id"),
    ("get_events", "search_id"),
    ("list_subnets", "search_id"),
    ("get_pareto", "search_id"),
)
Order = Literal["created_at", "-created_at"]


@router.post("/searches", status_code=201, responses=REFUSALS | MADE, operation_id="post_search")
def post(
    request: NewSearch, caller: CallerDep, store: StoreDep, identifier: FreshId, response: Response
) -> SearchView:
    """Queue a search; with an inline supernet, its training first; with a new device, its calibration
    first.
    """
    search, job = submitting.submit(store, caller.owner, identifier, request, may_hurry=caller.is_admin)
    response.headers["Location"] = f"/api/v1/searches/{identifier}"
    if request.supernet is not None:  # not trained yet, so not ranked either
        return _view(search, job, None)
    with store.database.read() as tx:
        return _view(search, job, _estimate(tx, search.supernet_id))


@router.post("/searches:validate", responses=REFUSALS, operation_id="validate_search")
def validate(request: NewSearch, caller: CallerDep, store: StoreDep) -> Validation:
    """Return what would be searched, and what it would cost, without queueing anything."""
    made = submitting.plan(store, caller.owner, request)
    return estimate(store, caller.owner, request, made)


@router.get("/searches", responses=REFUSALS, operation_id="list_searches")
def index(
    caller: CallerDep,
    store: StoreDep,
    paging: PagingDep,
    state: State | None = None,
    label: Name | None = None,
    order_by: Annotated[Order, Query(description="-created_at lists the newest first")] = "-created_at",
) -> PageView[SearchView]:
    """List the caller's searches."""
    chosen = searches.Filter(caller.owner, state, label, oldest_first=order_by == "created_at")
    with store.database.read() as tx:
        found = searches.page(tx, chosen, paging.page)
        kept, token = paging.cut([search for search, _ in found], ("created_at", "id"))
        works = {search.id: job for search, job in found}
        ranking_of = cache(partial(_estimate, tx))
        views = [_view(search, works[search.id], ranking_of(search.supernet_id)) for search in kept]
    return PageView(items=views, next_page_token=token)


@router.get("/searches/{search_id}", responses=REFUSALS, operation_id="get_search")
def get(search_id: Id, caller: CallerDep, store: StoreDep) -> SearchView:
    """Return one search with its counters and its estimated end."""
    return _one(store, caller.owner, search_id)


@router.post(
    "/searches/{search_id}:cancel", status_code=202, responses=REFUSALS, operation_id="cancel_search"
)
def cancel(
    search_id: Id,
    caller: CallerDep,
    store: StoreDep,
    now: Annotated[bool, Query(description="do not wait for what is being evaluated")] = False,
) -> StateView:
    """Stop a search for good; what it has found stays."""
    with store.database.write() as tx:
        submitting.require(tx, caller.owner, search_id)
        state = jobs.cancel_now(tx, search_id) if now else jobs.move(tx, search_id, "cancel")
    return StateView(id=search_id, state=state)


@router.post("/searches/{search_id}:pause", status_code=202, responses=REFUSALS, operation_id="pause_search")
def pause(search_id: Id, caller: CallerDep, store: StoreDep) -> StateView:
    """Stop a search until it is resumed."""
    return _move(store, caller.owner, search_id, "pause")


@router.post(
    "/searches/{search_id}:resume", status_code=202, responses=REFUSALS, operation_id="resume_search"
)
def resume(search_id: Id, caller: CallerDep, store: StoreDep) -> StateView:
    """Queue a paused search again; it goes on from what it has found."""
    return _move(store, caller.owner, search_id, "resume")


def _move(store: Store, owner: str, search_id: str, request: str) -> StateView:
    with store.database.write() as tx:
        submitting.require(tx, owner, search_id)
        return StateView(id=search_id, state=jobs.move(tx, search_id, request))


def _one(store: Store, owner: str, search_id: str) -> SearchView:
    with store.database.read() as tx:
        search, job = submitting.require_with_job(tx, owner, search_id)
        return _view(search, job, _estimate(tx, search.supernet_id))


def _estimate(tx: Connection, supernet_id: str) -> EstimateView | None:
    ranked = rankings.latest(tx, supernet_id)
    return None if ranked is None else estimate_of(ranked.result)


def _view(search: Search, job: Job, ranking: EstimateView | None) -> SearchView:
    return SearchView(
        **job_fields(job),
        id=search.id,
        label=search.label,
        supernet_id=search.supernet_id,
        device_id=search.device_id,
        predictor_id=search.predictor_id,
        spec=dict(search.spec),
        evaluated=search.evaluated,
        failed=search.failed,
        result=None if job.result is None else dict(job.result),
        ranking=ranking,
    )
