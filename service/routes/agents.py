"""Routes of measuring agents: a token for one, then its own calls: enrol, lease, blobs, result."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from evaluators.latency import leases
from evaluators.latency.errors import LeaseExpired, Quarantined, SessionError, TokenUsed
from service.callers import CallerDep, StoreDep, secret_of
from service.database import read_clock
from service.errors import Conflict, Forbidden, NotFound, Pointed, Unacceptable, Unauthorized
from service.models.agents import (
    AcceptedView,
    EnrolledView,
    Enrolment,
    InvitationView,
    LeaseView,
    Result,
    Waiting,
)
from service.models.base import Id, moment
from service.openapi import REFUSALS
from service.replay import StrictRoute
from service.routes.devices import require
from service.store import Store
from service.stores import agents

LOOK_S = 0.5
"""Seconds between two looks for work while an agent waits."""
SHA256 = r"^[0-9a-f]{64}$"
router = APIRouter(tags=["agents"], route_class=StrictRoute)


def _agent(request: Request, store: StoreDep) -> agents.Agent:
    """Return the agent whose secret the request carries.

    Raises:
        Unauthorized: none, or an unknown one.
    """
    secret = secret_of(request)
    with store.database.read() as tx:
        found = agents.by_secret(tx, secret) if secret else None
    if found is None:
        raise Unauthorized("this agent is not enrolled: ask for a token and start it with --token")
    return found


AgentDep = Annotated[agents.Agent, Depends(_agent)]


@router.post("/devices/{device_id}/agents", status_code=201, responses=REFUSALS, operation_id="post_agent")
def invite(device_id: Id, caller: CallerDep, store: StoreDep, request: Request) -> InvitationView:
    """Make a one-time token for an agent of a remote device."""
    with store.database.write() as tx:
        device = require(tx, caller.owner, device_id)
        if device.kind != "remote":
            raise Unacceptable(Pointed("/device_id", f"a device of kind {device.kind} needs no agent"))
        identifier, token, expires_at = agents.invite(tx, device_id, read_clock(tx))
    expires = moment(expires_at)
    assert expires is not None
    command = f"neckline agent {str(request.base_url).rstrip('/')} --token {token}"
    return InvitationView(
        id=identifier, device_id=device_id, token=token, expires_at=expires, command=command
    )


@router.post("/agents/enrol", status_code=201, responses=REFUSALS, operation_id="enrol_agent")
def enrol(request: Enrolment, store: StoreDep) -> EnrolledView:
    """Make an agent known by its one-time token."""
    with store.database.write() as tx:
        now_s, found = read_clock(tx), agents.by_token(tx, request.token)
        try:
            leases.check_enrolment(
                known=found is not None,
                enrolled_at=found.enrolled_at if found else None,
                expires_at=found.expires_at if found else 0.0,
                now_s=now_s,
            )
            leases.check_description(request.description)
        except TokenUsed as error:
            raise Unauthorized(str(error)) from error
        except SessionError as error:
            raise Unacceptable(Pointed("/description", str(error))) from error
        assert found is not None
        secret = agents.enrol(tx, found.id, request.description, now_s)
    if secret is None:
        raise Unauthorized("this token has been used; ask for another one")
    return EnrolledView(id=found.id, secret=secret)


@router.post("/agents/lease", responses=REFUSALS | {204: {"description": "no work"}}, operation_id="lease")
async def lease(request: Waiting, agent: AgentDep, store: StoreDep) -> Any:
    """Give an agent one batch, waiting a while for it."""
    until_s = time.monotonic() + request.wait_s
    while True:
        found = await run_in_threadpool(_claim, store, agent, request.description)
        if found is not None:
            return LeaseView(batch=found.id, epoch=found.epoch, request=dict(found.request))
        if time.monotonic() >= until_s:
            return Response(status_code=204)
        await asyncio.sleep(LOOK_S)


def _claim(store: Store, agent: agents.Agent, description: dict[str, Any]) -> agents.Batch | None:
    standing = _standing(agent)
    try:
        leases.check_standing(standing)
        leases.check_description(description)
    except Quarantined as error:
        raise Forbidden(str(error)) from error
    except SessionError as error:
        raise Unacceptable(Pointed("/description", str(error))) from error
    with store.database.write() as tx:
        now_s = read_clock(tx)
        agents.describe(tx, agent.id, {**description, "standing": standing.to_record()}, now_s)
        return agents.claim(tx, agent, now_s)


@router.get("/agents/blobs/{sha256}", responses=REFUSALS, operation_id="get_blob")
def blob(sha256: Annotated[str, Path(pattern=SHA256)], agent: AgentDep, store: StoreDep) -> Response:
    """Return a model of a batch that the agent's device has leased."""
    with store.database.read() as tx:
        known = agents.holds(tx, agent.device_id, sha256)
    if not known or not store.files.exists(sha256):
        raise NotFound("no leased batch of this device has such a model")
    return StreamingResponse(store.files.read(sha256, 0, 1 << 40), media_type="application/octet-stream")


@router.post("/agents/result", responses=REFUSALS, operation_id="post_result")
def result(request: Result, agent: AgentDep, store: StoreDep) -> AcceptedView:
    """Take an agent's times, if its lease still holds and nothing is wrong with them."""
    with store.database.write() as tx:
        now_s, found = read_clock(tx), agents.batch(tx, request.batch)
        try:
            held = agents.lease_of(found)
            leases.check_lease(held, agent=agent.id, epoch=request.epoch, now_s=now_s)
        except LeaseExpired as error:
            raise Conflict(str(error)) from error
        assert found is not None
        record = request.model_dump()
        answer = leases.answer(leases.BatchRequest.from_record(found.request), record, _standing(agent))
        description = {**request.description, "standing": answer.standing.to_record()}
        agents.describe(tx, agent.id, description, now_s)
        problem = None if answer.problem is None else str(answer.problem)
        state = "done" if answer.session else "failed" if found.epoch >= leases.STRIKES else "open"
        agents.finish(tx, found.id, state, {**record, "problem": problem})
    return AcceptedView(used=answer.session is not None, problem=problem)


def _standing(agent: agents.Agent) -> leases.Standing:
    return leases.Standing.from_record((agent.description or {}).get("standing", {}))
