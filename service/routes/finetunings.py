"""Routes of fine-tunings of one subnet."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service import subnets
from service.callers import CallerDep, StoreDep
from service.errors import Conflict
from service.models.base import Id, job_fields
from service.models.subnets import FinetuningView, NewFinetuning
from service.openapi import REFUSALS, links
from service.queueing import queue_once, require_job
from service.records import Job
from service.replay import FreshId, StrictRoute
from service.stores import jobs

router = APIRouter(tags=["subnets"], route_class=StrictRoute)
MADE = links(202, ("get_finetuning", "finetuning_id"))


@router.post(
    "/subnets/{subnet_id}:finetune",
    status_code=202,
    responses=REFUSALS | MADE,
    operation_id="post_finetuning",
)
def post(
    subnet_id: Id,
    request: NewFinetuning,
    caller: CallerDep,
    store: StoreDep,
    identifier: FreshId,
    response: Response,
) -> FinetuningView:
    """Queue a fine-tuning of the subnet; its scores are added with the source 'fine-tuned'."""
    store.require_disk()
    with store.database.write() as tx:
        subnet = subnets.require(tx, caller.owner, subnet_id)
        if subnet.state != "ok":
            raise Conflict("this subnet could not be scored, so it is not trained")
        wanted = {"subnet": subnet_id, **request.model_dump()}
        job = queue_once(tx, jobs.NewJob(identifier, "finetune", caller.owner, wanted), store.settings)
    response.headers["Location"] = f"/api/v1/finetunings/{identifier}"
    return _view(job)


@router.get("/finetunings/{finetuning_id}", responses=REFUSALS, operation_id="get_finetuning")
def get(finetuning_id: Id, caller: CallerDep, store: StoreDep) -> FinetuningView:
    """Return a fine-tuning and how far it is; when it has ended, the scores before and after."""
    with store.database.read() as tx:
        return _view(require_job(tx, finetuning_id, kind="finetune", owner=caller.owner))


def _view(job: Job) -> FinetuningView:
    given = NewFinetuning(**{name: value for name, value in job.request.items() if name != "subnet"})
    result = job.result or {}
    return FinetuningView(
        **job_fields(job),
        **given.model_dump(exclude={"control"}),
        id=job.id,
        subnet_id=job.request["subnet"],
        before=result.get("before"),
        after=result.get("scores"),
        control=result.get("control"),
    )
