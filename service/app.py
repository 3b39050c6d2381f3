"""The web application: routes found by file name, one gate before all of them, problems for every error."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import JSONResponse

from search_space import reference
from service import openapi, problems, routes, signin
from service.answers import Answers
from service.callers import Known, Rates, deny_by_default
from service.fronts import Fronts
from service.routes import operations
from service.shield import Shield
from service.store import Store
from service.turns import Turns

PREFIX = "/api/v1"
WARMED = ("search.strategy", "search.strategies.surrogate", "search_space.reference", "supernet.training.run")
UPLOAD_LIMIT_BYTES = 8 * 2**30
WAITING_THREADS = 4
"""For what takes no turn: pages, and looks at the database of requests that wait for something to happen."""
DESCRIPTION = "Finds the best feature-pyramid neck for your detector, your data and your device."


def create_app(store: Store) -> FastAPI:
    """Return the application over a store."""
    app = FastAPI(
        title="Neckline",
        version=version("neckline"),
        description=DESCRIPTION,
        dependencies=[Depends(deny_by_default)],
        lifespan=_lifespan,
        openapi_url=None,  # served by a route of ours, behind the gate
        docs_url=None,
        redoc_url=None,
    )
    app.state.store = store
    app.state.fronts = Fronts(store)
    app.state.answers = Answers(store, app.state.fronts)
    app.state.known = Known()
    app.state.rates = Rates(store.settings.requests_per_minute)
    app.state.closing = asyncio.Event()
    app.state.turns = None  # until there is a loop to wait in
    _add_routes(app)
    problems.install(app)
    openapi.install(app)
    limits = {"body_limit": store.settings.body_limit_bytes, "upload_limit": UPLOAD_LIMIT_BYTES}
    app.add_middleware(Shield, hosts=store.settings.allowed_hosts, **limits)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    store: Store = app.state.store
    app.state.turns = Turns(store.settings.api_threads)
    current_default_thread_limiter().total_tokens = store.settings.api_threads + WAITING_THREADS
    yield
    app.state.closing.set()


def warm() -> None:
    """Import what the first submission needs, so that it does not wait for it; and spare what was imported
    from garbage collections, each of which would halt every answer while it walks through it.
    """
    gc.disable()
    try:
        for name in WARMED:
            import_module(name)
        reference.names()
        gc.collect()
        gc.freeze()
    finally:
        gc.enable()


def _describe(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


def _add_routes(app: FastAPI) -> None:
    api = APIRouter(prefix=PREFIX)
    names = [entry.name for entry in pkgutil.iter_modules(routes.__path__)]
    for name in sorted(names, key=lambda name: name != "searches"):  # routes are tried in this order
        api.include_router(import_module(f"service.routes.{name}").router)
    api.include_router(operations.public)
    api.add_api_route("/openapi.json", _describe, include_in_schema=False)
    app.include_router(api)
    app.include_router(operations.public, include_in_schema=False)
    app.include_router(signin.router)
    if importlib.util.find_spec("service.ui") and importlib.util.find_spec("service.ui.pages"):
        import_module("service.ui.pages").install(app)
