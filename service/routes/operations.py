"""Routes for those who run the service: health, readiness, limits, metrics."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from service import metrics
from service.callers import CallerDep, StoreDep
from service.models.base import View
from service.openapi import REFUSALS
from service.readiness import checks

router = APIRouter(tags=["operations"])
public = APIRouter(tags=["operations"])


class CheckView(View):
    """One thing that the service needs."""

    name: str
    ok: bool
    detail: str


class ReadyView(View):
    """Whether the service can do its work."""

    ready: bool
    checks: list[CheckView]


class HealthView(View):
    """A sign of life."""

    alive: bool = True


class LimitsView(View):
    """Caps that requests meet."""

    requests_per_minute: int
    max_evaluations: int
    max_active_jobs: int
    max_parallel: int
    body_limit_bytes: int
    page_size_max: int = 1000
    active_jobs: int


@public.get("/healthz", operation_id="get_health")
def health() -> HealthView:
    """Say that the process answers."""
    return HealthView()


@public.get("/readyz", operation_id="get_readiness", responses={503: {"model": ReadyView}})
def ready(store: StoreDep, request: Request) -> Response:
    """Say whether the service can do its work, and what is missing."""
    found = checks(store)
    good = all(check.ok for check in found)
    body = ReadyView(ready=good, checks=[CheckView(**asdict(check)) for check in found])
    return JSONResponse(body.model_dump(), 200 if good else 503)


@router.get("/limits", responses=REFUSALS, operation_id="get_limits")
def limits(caller: CallerDep, store: StoreDep) -> LimitsView:
    """Return the caps that the caller meets, and how much of them is used."""
    from service.stores import jobs

    with store.database.read() as tx:
        active = jobs.active_count(tx, caller.owner)
    settings = store.settings
    return LimitsView(
        requests_per_minute=settings.requests_per_minute,
        max_evaluations=settings.max_evaluations,
        max_active_jobs=settings.max_active_jobs,
        max_parallel=settings.parallel,
        body_limit_bytes=settings.body_limit_bytes,
        active_jobs=active,
    )


@router.get(
    "/metrics",
    responses=REFUSALS | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    operation_id="get_metrics",
    response_class=Response,
)
def read_metrics(store: StoreDep) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(metrics.exposition(store), media_type="text/plain; version=0.0.4; charset=utf-8")
