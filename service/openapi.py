"""What the OpenAPI document says beside the models: every refusal, and the links between calls."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service import problems

Responses = dict[int | str, dict[str, Any]]
REFUSALS: Responses = problems.documented(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
"""What any call may answer instead of its result."""


def links(status: int, *entries: tuple[str, str]) -> Responses:
    """Return a response's links: its body's id is a parameter of other calls, given as (call, parameter)."""
    found = {
        operation: {"operationId": operation, "parameters": {parameter: "$response.body#/id"}}
        for operation, parameter in entries
    }
    return {status: {"links": found}}


def install(app: FastAPI) -> None:
    """Describe the application: problems, keys and links."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    return document
