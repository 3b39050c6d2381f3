"""Errors as RFC 9457 problem documents: a stable type, JSON pointers, the request's id, and never a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from service import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:neckline:problem:"
log = structlog.get_logger("problems")


class Fault(BaseModel):
    """One fault of a request."""

    pointer: str = Field(description="JSON pointer into the body, or the parameter's name with its place")
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(description="a stable URN, urn:neckline:problem:<name>")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the request's path")
    request_id: str
    errors: list[Fault] = Field(default_factory=list)


def respond(
    request: Request,
    status: int,
    name: str,
    detail: str,
    *,
    faults: Sequence[errors.Pointed] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    problem = Problem(
        type=TYPE_PREFIX + name,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", ""),
        errors=[Fault(pointer=fault.pointer, detail=fault.detail) for fault in faults],
    )
    return JSONResponse(problem.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for the statuses, each with the problem document's schema."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


PLAIN: Mapping[type[errors.ServiceError], tuple[int, str]] = {
    errors.NotFound: (404, "not-found"),
    errors.Conflict: (409, "conflict"),
    errors.Forbidden: (403, "forbidden"),
    errors.Unauthorized: (401, "unauthorized"),
}


async def _service_error(request: Request, error: Exception) -> Response:
    if isinstance(error, errors.Unacceptable):
        return respond(request, 422, "unacceptable", str(error), faults=error.faults)
    if isinstance(error, errors.TooMany | errors.Unavailable):
        status, name = (429, "too-many") if isinstance(error, errors.TooMany) else (503, "unavailable")
        headers = {"Retry-After": str(max(1, round(error.retry_after_s)))}
        return respond(request, status, name, str(error), headers=headers)
    assert isinstance(error, errors.ServiceError)
    status, name = PLAIN.get(type(error), (500, "internal"))
    headers = {"WWW-Authenticate": 'Bearer realm="neckline"'} if status == 401 else {}
    return respond(request, status, name, str(error), headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [errors.Pointed(pointer(entry["loc"]), str(entry["msg"])) for entry in error.errors()]
    detail = f"{len(faults)} of the request's values are wrong: see errors"
    return respond(request, 422, "invalid", detail, faults=faults)


def pointer(location: Sequence[str | int]) -> str:
    """Return pydantic's location as a JSON pointer, or as ``query/name`` for a parameter."""
    place, *rest = location
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in rest]
    return "/" + "/".join(parts) if place == "body" else "/".join([str(place), *parts])


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return respond(request, error.status_code, name, str(error.detail), headers=error.headers)


async def _database_error(request: Request, error: Exception) -> Response:
    log.warning(
        "database.unavailable",
        error=type(error).__name__,
        request_id=getattr(request.state, "request_id", ""),
    )
    detail = "the database does not answer; the request changed nothing, try again"
    return respond(request, 503, "database-unavailable", detail, headers={"Retry-After": "5"})


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request.error", exc_info=error, request_id=getattr(request.state, "request_id", ""))
    return respond(request, 500, "internal", "the service failed; its log has this request's id")
