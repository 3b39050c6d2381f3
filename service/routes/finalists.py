"""Routes of finalists: subnets of one search, fine-tuned against each other."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.callers import CallerDep, StoreDep
from service.errors import Pointed, Unacceptable
from service.models.base import Id, job_fields
from service.models.subnets import FinalistsView, NewFinalists
from service.openapi import REFUSALS, links
from service.queueing import queue_once, require_job
from service.records import Job, StoredEvaluation
from service.replay import FreshId, StrictRoute
from service.searches import require
from service.stores import evaluations, jobs

router = APIRouter(tags=["subnets"], route_class=StrictRoute)
MADE = links(202, ("get_finalists", "finalists_id"))


@router.post(
    "/searches/{search_id}:finetune",
    status_code=202,
    responses=REFUSALS | MADE,
    operation_id="post_finalists",
)
def post(
    search_id: Id,
    request: NewFinalists,
    caller: CallerDep,
    store: StoreDep,
    identifier: FreshId,
    response: Response,
) -> FinalistsView:
    """Queue the fine-tuning of finalists: Ray Tune's ASHA stops the hopeless ones early."""
    store.require_disk()
    with store.database.write() as tx:
        require(tx, caller.owner, search_id)
        known = {entry.id for entry in evaluations.by_ids(tx, request.subnet_ids) if _fits(entry, search_id)}
        for index, subnet_id in enumerate(request.subnet_ids):
            if subnet_id not in known or subnet_id in request.subnet_ids[:index]:
                detail = "not a scored subnet of this search, or named twice"
                raise Unacceptable(Pointed(f"/subnet_ids/{index}", detail))
        wanted = {"search": search_id, **request.model_dump()}
        job = queue_once(tx, jobs.NewJob(identifier, "finalists", caller.owner, wanted), store.settings)
    response.headers["Location"] = f"/api/v1/finalists/{identifier}"
    return _view(job)


@router.get("/finalists/{finalists_id}", responses=REFUSALS, operation_id="get_finalists")
def get(finalists_id: Id, caller: CallerDep, store: StoreDep) -> FinalistsView:
    """Return the finalists and how far they are."""
    with store.database.read() as tx:
        return _view(require_job(tx, finalists_id, kind="finalists", owner=caller.owner))


def _fits(entry: StoredEvaluation, search_id: str) -> bool:
    return entry.search_id == search_id and entry.state == "ok"


def _view(job: Job) -> FinalistsView:
    found = (job.result or {}).get("finalists")
    return FinalistsView(**job_fields(job), id=job.id, search_id=job.request["search"], finalists=found)
