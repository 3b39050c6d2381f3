"""A search's events: as server-sent events, or as JSON by long poll."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from service.callers import CallerDep, StoreDep
from service.errors import NotFound
from service.models.base import Id
from service.models.searches import EventsView, EventView
from service.openapi import REFUSALS, Responses
from service.records import Event
from service.replay import StrictRoute
from service.states import ENDED
from service.store import Store
from service.stores import events, jobs

router = APIRouter(tags=["searches"], route_class=StrictRoute)
POLL_S = 0.25
KEEP_ALIVE_S = 15.0
STREAM: Responses = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get(
    "/searches/{search_id}/events",
    responses=REFUSALS | STREAM,
    response_model=EventsView,
    operation_id="get_events",
)
async def get(
    search_id: Id,
    request: Request,
    caller: CallerDep,
    store: StoreDep,
    after: Annotated[int, Query(ge=0, lt=2**31, description="events after this number")] = 0,
    wait: Annotated[
        float, Query(ge=0, le=60, description="seconds to wait for an event if there is none")
    ] = 0,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
    last_event_id: Annotated[str | None, Header(description="resumes a stream of server-sent events")] = None,
) -> Response:
    """Return events after a number, waiting for one if asked; or stream them when text/event-stream is
    accepted.
    """
    await run_in_threadpool(_require, store, caller.owner, search_id)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = max(after, min(int(last_event_id[:10]), 2**31 - 1))
    if "text/event-stream" in accept:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(request, store, search_id, after), 200, headers, "text/event-stream")
    found, ended = await _poll(request, store, search_id, after, min(wait, store.settings.event_wait_s))
    last = found[-1].number if found else after
    body = EventsView(items=[_view(event) for event in found], last=last, ended=ended)
    return Response(body.model_dump_json(), media_type="application/json")


async def _poll(
    request: Request, store: Store, job_id: str, after: int, wait_s: float
) -> tuple[list[Event], bool]:
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        found, ended = await run_in_threadpool(_after, store, job_id, after)
        late = asyncio.get_running_loop().time() >= deadline
        if found or ended or late or _closing(request) or await request.is_disconnected():
            return found, ended
        await asyncio.sleep(POLL_S)


async def _stream(request: Request, store: Store, job_id: str, after: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    while not _closing(request):
        found, ended = await _poll(request, store, job_id, after, KEEP_ALIVE_S)
        for event in found:
            after = event.number
            data = json.dumps(_view(event).model_dump(), separators=(",", ":"))
            yield f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n"
        if ended and not found:
            yield f"id: {after}\nevent: end\ndata: {{}}\n\n"
            return
        if not found:
            yield ": alive\n\n"


def _closing(request: Request) -> bool:
    closing: asyncio.Event = request.app.state.closing
    return closing.is_set()


def _require(store: Store, owner: str, job_id: str) -> None:
    with store.database.read() as tx:
        job = jobs.get(tx, job_id)
    if job is None or job.owner != owner:
        raise NotFound("no such search")


def _after(store: Store, job_id: str, after: int) -> tuple[list[Event], bool]:
    with store.database.read() as tx:
        found = events.after(tx, job_id, after)
        job = jobs.get(tx, job_id)
    return found, job is None or (job.state in ENDED and (not found or found[-1].number == job.event_count))


def _view(event: Event) -> EventView:
    moment = datetime.fromtimestamp(event.created_at, UTC).isoformat()
    return EventView(number=event.number, kind=event.kind, payload=dict(event.payload), created_at=moment)
