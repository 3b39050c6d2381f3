"""What every page is made with: the templates, the answer to an error, and JSON for a page's own script."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from service import errors
from service.ui import figures
from service.ui.assets import Assets

TEMPLATES = Path(__file__).parent / "templates"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
STATUSES: dict[type[errors.ServiceError], int] = {
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unacceptable: 422,
    errors.Forbidden: 403,
    errors.Unauthorized: 401,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}


@dataclass(frozen=True)
class Look:
    """The templates and the static files; made once by ``install``."""

    templates: Environment
    assets: Assets

    @staticmethod
    def of(assets: Assets) -> Look:
        """Return the look with every filter that the templates use."""
        made = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals.update(static=assets.url, version=version("neckline"), figures=figures)
        made.filters.update(figures.FILTERS)
        return Look(made, assets)


def render(request: Request, template: str, /, code: int = 200, **context: Any) -> Response:
    """Return a page."""
    look: Look = request.app.state.look
    text = look.templates.get_template(template).render(path=request.url.path, **context)
    return HTMLResponse(text, code, {"Cache-Control": "no-cache"})


def respond_json(request: Request, document: object) -> Response:
    """Return JSON for a page's script, as gzip where the browser takes it."""
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(body) > 1024 and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["Content-Encoding"] = gzip.compress(body, 4), "gzip"
    return Response(body, 200, headers, "application/json")


class PageRoute(APIRoute):
    """A route whose errors are pages where the client reads HTML, and problem documents elsewhere."""

    def get_route_handler(self) -> Handler:
        """Return the handler, wrapped."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except (errors.ServiceError, RequestValidationError) as error:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                return error_page(request, error)

        return handle


def error_page(request: Request, error: Exception) -> Response:
    """Return a page that says what is wrong and what to do."""
    status = STATUSES.get(type(error), 500) if isinstance(error, errors.ServiceError) else 404
    detail = str(error) if isinstance(error, errors.ServiceError) else "This address holds no valid id."
    template = "signin.html" if status == 401 else "error.html"
    title = HTTPStatus(status).phrase
    return render(request, template, status, status=status, title=title, detail=detail)
