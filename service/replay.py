"""Idempotency: a POST with an ``Idempotency-Key`` is carried out once and replayed after; strict JSON bodies;
and turns, a few requests at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import problems
from service.callers import authenticate
from service.errors import Conflict, Pointed, Unacceptable
from service.identifiers import new_id
from service.store import Store
from service.stores import idempotency
from service.turns import Turns

KEPT_HEADERS = ("location", "content-type", "etag")
MAX_DEPTH = 32
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route whose bodies are strict JSON and whose POSTs may carry an idempotency key.

    Requests take turns; coroutines, which wait for events or for an upload, take none.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler, wrapped."""
        handler = super().get_route_handler()
        waits = asyncio.iscoroutinefunction(self.endpoint)

        async def handle(request: Request) -> Response:
            refusal = await _check_body(request)
            if refusal is not None:
                return refusal
            async with nullcontext() if waits else _turn(request):
                key = request.headers.get("idempotency-key")
                if request.method != "POST" or key is None:
                    return await handler(request)
                return await _once(request, key, handler)

        return handle


def _turn(request: Request) -> AbstractAsyncContextManager[None]:
    """Return the context in which a request works: its turn, once the application runs."""
    known: Turns | None = request.app.state.turns
    return nullcontext() if known is None else known.take()


async def _check_body(request: Request) -> Response | None:
    if request.method not in ("POST", "PUT", "PATCH"):
        return None
    body = await request.body()
    if not body:
        return None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in ("application/json", "application/octet-stream"):
        return problems.respond(request, 415, "media-type", "send application/json")
    if media == "application/json":
        check_json(body)
    return None


def check_json(body: bytes) -> None:
    """Refuse what JSON parsers let through and databases do not: NaN, NUL, lone surrogates, deep nesting.

    Raises:
        Unacceptable: with a pointer to the first such value.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unacceptable(Pointed("/", f"not JSON: {error}")) from error
    _walk(document, "", 0)


def _walk(value: object, place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unacceptable(Pointed(place, f"nested deeper than {MAX_DEPTH}"))
    if isinstance(value, float) and not math.isfinite(value):
        raise Unacceptable(Pointed(place, "must be a finite number"))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise Unacceptable(Pointed(place, "is beyond 64 bits"))
    if isinstance(value, str) and _unstorable(value):
        raise Unacceptable(Pointed(place, "holds a NUL or an unpaired surrogate"))
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in children:
        if isinstance(name, str) and _unstorable(name):
            raise Unacceptable(Pointed(place, "a name holds a NUL or an unpaired surrogate"))
        _walk(child, f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}", depth + 1)


def _unstorable(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


async def _once(request: Request, key: str, handler: Handler) -> Response:
    if not 1 <= len(key) <= 128 or not key.isprintable() or not key.isascii():
        raise Unacceptable(Pointed("header/Idempotency-Key", "1 to 128 printable ASCII characters"))
    caller = await authenticate(request)
    store: Store = request.app.state.store
    fingerprint = await _fingerprint(request)
    reply = await run_in_threadpool(_begin, store, caller.owner, key, fingerprint)
    if not isinstance(reply, str):
        return _replayed(reply, fingerprint)
    request.state.fresh_id = reply
    try:
        response = await handler(request)
    except BaseException:
        await run_in_threadpool(_release, store, caller.owner, key)
        raise
    await run_in_threadpool(_end, store, caller.owner, key, response)
    return response


async def _fingerprint(request: Request) -> str:
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(head + await request.body()).hexdigest()


def _begin(store: Store, owner: str, key: str, fingerprint: str) -> idempotency.Reply | str:
    with store.database.note() as tx:
        return idempotency.begin(tx, owner, key, fingerprint)


def _release(store: Store, owner: str, key: str) -> None:
    with store.database.note() as tx:
        idempotency.release(tx, owner, key)


def _end(store: Store, owner: str, key: str, response: Response) -> None:
    with store.database.note() as tx:
        if response.status_code >= 400:
            idempotency.release(tx, owner, key)
            return
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        body = bytes(response.body).decode()
        idempotency.finish(tx, owner, key, status=response.status_code, headers=headers, body=body)


def _replayed(reply: idempotency.Reply, fingerprint: str) -> Response:
    if reply.fingerprint != fingerprint:
        raise Unacceptable(Pointed("header/Idempotency-Key", "this key was used for another request"))
    if not reply.done:
        raise Conflict("the first request with this key is still being answered")
    headers = {**(reply.headers or {}), "Idempotency-Replayed": "true"}
    return Response(reply.body, reply.status or 200, headers=headers)


async def fresh_id(request: Request) -> str:
    """Return the id for what this request makes: the same one for a retry with the same idempotency key."""
    known: str | None = getattr(request.state, "fresh_id", None)
    return known or new_id()


FreshId = Annotated[str, Depends(fresh_id)]
