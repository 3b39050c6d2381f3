"""Routes of ranking estimates."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service import supernets as submitting
from service.callers import CallerDep, StoreDep
from service.models.base import Id, job_fields
from service.models.rankings import NewRanking, RankingView, estimate_of
from service.openapi import REFUSALS, links
from service.queueing import queue_once, require_job
from service.records import Job
from service.replay import FreshId, StrictRoute
from service.stores import jobs, rankings

router = APIRouter(tags=["supernets"], route_class=StrictRoute)
MADE = links(202, ("get_ranking", "ranking_id"))


@router.post(
    "/supernets/{supernet_id}:rank", status_code=202, responses=REFUSALS | MADE, operation_id="post_ranking"
)
def post(
    supernet_id: Id,
    request: NewRanking,
    caller: CallerDep,
    store: StoreDep,
    identifier: FreshId,
    response: Response,
) -> RankingView:
    """Queue an estimate of how truly the supernet ranks; it starts when the supernet is trained."""
    store.require_disk()
    with store.database.write() as tx:
        submitting.require(tx, caller.owner, supernet_id)
        asked = {"supernet": supernet_id, **request.model_dump()}
        wanted = jobs.NewJob(identifier, rankings.KIND, caller.owner, asked, needs=(supernet_id,))
        job = queue_once(tx, wanted, store.settings)
    response.headers["Location"] = f"/api/v1/rankings/{identifier}"
    return _view(job)


@router.get("/rankings/{ranking_id}", responses=REFUSALS, operation_id="get_ranking")
def get(ranking_id: Id, caller: CallerDep, store: StoreDep) -> RankingView:
    """Return an estimate and how far it is."""
    with store.database.read() as tx:
        return _view(require_job(tx, ranking_id, kind=rankings.KIND, owner=caller.owner))


def _view(job: Job) -> RankingView:
    given = {name: value for name, value in job.request.items() if name != "supernet"}
    return RankingView(
        **job_fields(job),
        id=job.id,
        supernet_id=job.request["supernet"],
        spec=NewRanking(**given),
        estimate=estimate_of(job.result),
    )
