"""Routes of artifacts: ask for a file of a subnet, wait for it, download it."""

from __future__ import annotations

import hashlib
import json

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response, StreamingResponse

from search_space.architecture import Architecture
from service import ranges, subnets
from service.callers import CallerDep, StoreDep
from service.database import read_clock
from service.datasets import require_room
from service.errors import Conflict, NotFound, Pointed, Unacceptable
from service.models.base import Id, job_fields
from service.models.subnets import ArtifactView, NewArtifact
from service.openapi import REFUSALS, Responses, links
from service.problems import documented
from service.records import Artifact, StoredEvaluation
from service.replay import FreshId, StrictRoute
from service.states import ENDED, GOOD
from service.store import Store
from service.stores import artifacts, jobs
from supernet.export.offered import obstacles

router = APIRouter(tags=["artifacts"], route_class=StrictRoute)
MADE = links(
    202, ("get_artifact", "artifact_id"), ("get_content", "artifact_id"), ("head_content", "artifact_id")
)
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
CONTENT: Responses = {
    200: {"content": BINARY},
    206: {"description": "one range", "content": BINARY},
    304: {"description": "same"},
}


@router.post(
    "/subnets/{subnet_id}/artifacts", status_code=202, responses=REFUSALS | MADE, operation_id="post_artifact"
)
def post(
    subnet_id: Id,
    request: NewArtifact,
    caller: CallerDep,
    store: StoreDep,
    identifier: FreshId,
    response: Response,
) -> ArtifactView:
    """Queue the making of a file; the same request returns the same artifact."""
    store.require_disk()
    with store.database.write() as tx:
        subnet = subnets.require(tx, caller.owner, subnet_id)
        if subnet.state != "ok":
            raise Conflict("this subnet could not be scored, so nothing is made of it")
        _check(tx, subnet, request)
        artifact = _known(tx, store, subnet.id, request)
        if artifact is None:
            require_room(tx, caller.owner, store.settings)
            artifact = _new(tx, caller.owner, identifier, subnet.id, request)
        response.headers["Location"] = f"/api/v1/artifacts/{artifact.id}"
        return _view(tx, artifact)


@router.get("/artifacts/{artifact_id}", responses=REFUSALS, operation_id="get_artifact")
def get(artifact_id: Id, caller: CallerDep, store: StoreDep) -> ArtifactView:
    """Return an artifact and how far it is."""
    with store.database.read() as tx:
        return _view(tx, _required(tx, caller.owner, artifact_id))


@router.get(
    "/artifacts/{artifact_id}/content",
    responses=REFUSALS | CONTENT | documented(416),
    response_class=Response,
    operation_id="get_content",
)
def content(artifact_id: Id, request: Request, caller: CallerDep, store: StoreDep) -> Response:
    """Stream the file, or one range of it."""
    return _content(store, caller.owner, artifact_id, request)


@router.head(
    "/artifacts/{artifact_id}/content",
    responses=REFUSALS | CONTENT | documented(416),
    response_class=Response,
    operation_id="head_content",
)
def head(artifact_id: Id, request: Request, caller: CallerDep, store: StoreDep) -> Response:
    """Return what a download would say of the file."""
    return _content(store, caller.owner, artifact_id, request)


def _content(store: Store, owner: str, artifact_id: str, request: Request) -> Response:
    with store.database.read() as tx:
        artifact = _required(tx, owner, artifact_id)
    if artifact.sha256 is None or artifact.size is None:
        raise Conflict("the artifact is not finished: wait until its state is SUCCEEDED")
    if not store.files.exists(artifact.sha256):
        raise NotFound("the artifact's file was removed by retention: request it again")
    etag = f'"{artifact.sha256}"'
    span = ranges.choose(request.headers, etag=etag, size=artifact.size)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-transform, immutable"}
    headers["Content-Disposition"] = f'attachment; filename="{artifact.filename}"'
    if span.status in (304, 416):
        extra = {"Content-Range": f"bytes */{artifact.size}"} if span.status == 416 else {}
        return _unsatisfied(request, headers | extra) if span.status == 416 else Response(None, 304, headers)
    headers["Content-Length"] = str(span.end - span.start)
    if span.status == 206:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{artifact.size}"
    if request.method == "HEAD":
        return Response(None, span.status, headers, artifact.media_type)
    body = store.files.read(artifact.sha256, span.start, span.end)
    return StreamingResponse(body, span.status, headers, artifact.media_type)


def _unsatisfied(request: Request, headers: dict[str, str]) -> Response:
    from service.problems import respond

    del headers["Content-Disposition"], headers["Cache-Control"]
    return respond(request, 416, "range", "the range starts behind the file's end", headers=headers)


def _check(tx: Connection, subnet: StoredEvaluation, request: NewArtifact) -> None:
    """Refuse a format that the neck does not have, and weights that are not this subnet's."""
    graph = Architecture.from_json(subnets.architecture(tx, subnet))
    if reason := obstacles(graph).get(request.format):
        raise Unacceptable(Pointed("/format", reason))
    if request.finetuning_id is not None:
        job = jobs.get(tx, request.finetuning_id)
        if job is None or job.kind != "finetune" or job.request["subnet"] != subnet.id:
            raise Unacceptable(Pointed("/finetuning_id", "no such fine-tuning of this subnet"))
        if job.state not in GOOD:
            raise Unacceptable(
                Pointed("/finetuning_id", f"this fine-tuning is {job.state}: wait for its end")
            )


def _known(tx: Connection, store: Store, subnet_id: str, request: NewArtifact) -> Artifact | None:
    """Return the artifact of an equal request, unless its making failed or its file is gone."""
    found = artifacts.find(tx, subnet_id, request.format, _options_key(request))
    if found is None:
        return None
    job = jobs.get(tx, found.id)
    failed = job is not None and job.state in ENDED and job.state not in GOOD
    if failed or (found.sha256 is not None and not store.files.exists(found.sha256)):
        jobs.remove(tx, found.id)
        return None
    return found


def _new(tx: Connection, owner: str, identifier: str, subnet_id: str, request: NewArtifact) -> Artifact:
    wanted = request.model_dump()
    jobs.enqueue(tx, jobs.NewJob(identifier, "artifact", owner, {"subnet": subnet_id, **wanted}, priority=1))
    empty = (None, None, None, None)
    key = _options_key(request)
    made = Artifact(identifier, owner, subnet_id, request.format, key, wanted, *empty, read_clock(tx))
    artifacts.add(tx, made)
    return made


def _options_key(request: NewArtifact) -> str:
    """Return a digest of the format and of the options that are not the default."""
    given = {"format": request.format, **request.model_dump(exclude_defaults=True)}
    return hashlib.sha256(json.dumps(given, separators=(",", ":")).encode()).hexdigest()


def _required(tx: Connection, owner: str, artifact_id: str) -> Artifact:
    artifact = artifacts.get(tx, artifact_id, owner)
    if artifact is None:
        raise NotFound("no such artifact")
    return artifact


def _view(tx: Connection, artifact: Artifact) -> ArtifactView:
    job = jobs.get(tx, artifact.id)
    assert job is not None, artifact.id
    ready = artifact.sha256 is not None
    return ArtifactView(
        **job_fields(job),
        id=artifact.id,
        subnet_id=artifact.evaluation_id,
        format=artifact.format,
        deploy=bool(artifact.options.get("deploy")),
        finetuning_id=artifact.options.get("finetuning_id"),
        sha256=artifact.sha256,
        size=artifact.size,
        filename=artifact.filename,
        media_type=artifact.media_type,
        content=f"/api/v1/artifacts/{artifact.id}/content" if ready else None,
    )
