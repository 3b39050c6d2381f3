"""Who calls: the key behind a request, its scopes, its rate; and the default denial."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from service.answers import Answers
from service.errors import Forbidden, TooMany, Unauthorized
from service.fronts import Fronts
from service.store import Store
from service.stores import keys

COOKIE = "neckline_session"
PUBLIC = frozenset({"/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/signin"})
"""Routes that answer without a key."""
AGENT_PREFIX = "/api/v1/agents/"
"""Routes that authenticate agents by their own tokens."""
KNOWN_S = 2.0
"""How long a process goes by what it knows of a key: a key revoked through another process ends by then."""
MOST_KNOWN = 10_000
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    """The owner and the scopes of the key that a request came with."""

    owner: str
    scopes: frozenset[str]
    key_id: str

    @property
    def is_admin(self) -> bool:
        """Return whether the key may do everything."""
        return "admin" in self.scopes

    def require(self, scope: str) -> None:
        """Raise unless the key has the scope.

        Raises:
            Forbidden: it has not.
        """
        if scope not in self.scopes and not self.is_admin:
            raise Forbidden(f"this needs a key with the scope {scope!r}")


@dataclass
class Rates:
    """A token bucket a key, refilled every minute's part."""

    per_minute: int
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key_id: str) -> None:
        """Count one request.

        Raises:
            TooMany: the key's bucket is empty.
        """
        with self.lock:
            now = time.monotonic()
            level, since = self.buckets.get(key_id, (float(self.per_minute), now))
            level = min(float(self.per_minute), level + (now - since) * self.per_minute / 60)
            if level < 1:
                raise TooMany(
                    f"more than {self.per_minute} requests a minute", (1 - level) * 60 / self.per_minute
                )
            self.buckets[key_id] = (level - 1, now)


@dataclass
class Known:
    """The callers of the last moments by their secret's hash, so that not every request reads the key."""

    callers: dict[str, tuple[Caller, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, digest: str) -> Caller | None:
        """Return who this was a moment ago, None if that is too long ago to go by."""
        with self.lock:
            caller, until_s = self.callers.get(digest, (None, 0.0))
        return caller if time.monotonic() < until_s else None

    def keep(self, digest: str, caller: Caller) -> None:
        """Go by this for `KNOWN_S` seconds."""
        with self.lock:
            if len(self.callers) >= MOST_KNOWN:
                self.callers.clear()
            self.callers[digest] = (caller, time.monotonic() + KNOWN_S)

    def forget(self) -> None:
        """Go by nothing: a key was revoked."""
        with self.lock:
            self.callers.clear()


def secret_of(request: Request) -> str | None:
    """Return the key in the request's header, or else in its cookie."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.cookies.get(COOKIE)


async def authenticate(request: Request) -> Caller:
    """Return who calls, once a request.

    Raises:
        Unauthorized: no key, or one that is unknown, revoked or expired.
        Forbidden: a browser's cookie came with a request from another site.
        TooMany: the key's rate is used up.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    secret = secret_of(request)
    if secret is None:
        raise Unauthorized("send a key as 'Authorization: Bearer ...'")
    recent: Known = request.app.state.known
    digest = keys.hash_secret(secret)
    caller = recent.find(digest)
    if caller is None:
        caller = await run_in_threadpool(_find, request.app.state.store, secret)
        recent.keep(digest, caller)
    if "authorization" not in request.headers and request.method not in SAFE_METHODS:
        _same_origin(request)
    rates: Rates = request.app.state.rates
    rates.take(caller.key_id)
    request.state.caller = caller
    return caller


async def deny_by_default(request: Request) -> None:
    """Raise unless the request is authenticated or its route is public: the application's one gate."""
    path = request.url.path
    if path in PUBLIC or path.startswith(AGENT_PREFIX):
        return
    caller = await authenticate(request)
    caller.require("read" if request.method in SAFE_METHODS else "write")


def _find(store: Store, secret: str) -> Caller:
    with store.database.read() as tx:
        key = keys.find(tx, secret)
    if key is None:
        raise Unauthorized("this key is unknown, revoked or expired")
    scopes = frozenset(key.scopes)
    return Caller(key.owner, scopes | {"read"} if "write" in scopes else scopes, key.id)


def _same_origin(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in (None, "same-origin") or origin is None or origin.partition("://")[2] != host:
        raise Forbidden("a signed-in browser may change things from this service's own pages only")


async def get_store(request: Request) -> Store:
    """Return the application's store."""
    store: Store = request.app.state.store
    return store


async def get_fronts(request: Request) -> Fronts:
    """Return the application's memory of fronts."""
    fronts: Fronts = request.app.state.fronts
    return fronts


async def get_known(request: Request) -> Known:
    """Return what the application knows of keys."""
    known: Known = request.app.state.known
    return known


async def get_answers(request: Request) -> Answers:
    """Return the application's memory of the fronts that it has sent."""
    answers: Answers = request.app.state.answers
    return answers


def needs_scope(scope: str) -> Callable[[Caller], Caller]:
    """Return a dependency that demands a scope."""

    def demand(caller: CallerDep) -> Caller:
        caller.require(scope)
        return caller

    return demand


AnswersDep = Annotated[Answers, Depends(get_answers)]
CallerDep = Annotated[Caller, Depends(authenticate)]
FrontsDep = Annotated[Fronts, Depends(get_fronts)]
KnownDep = Annotated[Known, Depends(get_known)]
StoreDep = Annotated[Store, Depends(get_store)]
