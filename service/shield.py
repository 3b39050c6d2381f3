"""What every request passes before any route sees it: its id, its size, its host and media type, and safe
headers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics, problems
from service.identifiers import is_id, new_id

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
BODIED = ("POST", "PUT", "PATCH")
log = structlog.get_logger("http")


class TooLarge(Exception):
    """The body grew over the limit while it was read."""


class Shield:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, body_limit: int, upload_limit: int, hosts: Sequence[str]) -> None:
        self._app, self._body_limit, self._upload_limit, self._hosts = (
            app,
            body_limit,
            upload_limit,
            tuple(hosts),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request.state.request_id = given if is_id(given) else new_id()
        begun_s = time.monotonic()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request.state.request_id
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._guarded(scope, receive, answer, request)
        self._record(scope, request, status, time.monotonic() - begun_s)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        refusal = self._refusal(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        limit = self._limit(request.headers)
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise TooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except TooLarge:
            await self._too_large(request, limit)(scope, receive, send)

    def _refusal(self, request: Request) -> ASGIApp | None:
        host = request.headers.get("host", "")
        name = host if host.startswith("[") and host.endswith("]") else host.rsplit(":", 1)[0]
        if "*" not in self._hosts and name not in self._hosts:
            return problems.respond(
                request, 400, "host", "this Host is not served: see NECKLINE_ALLOWED_HOSTS"
            )
        size = request.headers.get("content-length", "0")
        if size.isdigit() and int(size) > self._limit(request.headers):
            return self._too_large(request, self._limit(request.headers))
        return None

    def _limit(self, headers: Headers) -> int:
        upload = headers.get("content-type", "").startswith("application/octet-stream")
        return self._upload_limit if upload else self._body_limit

    def _too_large(self, request: Request, limit: int) -> ASGIApp:
        return problems.respond(request, 413, "too-large", f"the body is larger than {limit} bytes")

    def _record(self, scope: Scope, request: Request, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        metrics.REQUESTS.labels(request.method, route, str(status)).inc()
        metrics.REQUEST_SECONDS.labels(request.method, route).observe(seconds)
        log.info(
            "request",
            method=request.method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request.state.request_id,
        )
