"""The web pages: one module a subject, each with its router; this one puts them together."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from service.ui import assets, datasets, devices, pareto, searches, submit, subnets
from service.ui.page import Look, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)
for part in (submit, searches, pareto, subnets, devices, datasets):
    router.include_router(part.router)


def install(app: FastAPI) -> None:
    """Add the pages and their static files to the application."""
    found = assets.load()
    app.state.look = Look.of(found)
    app.mount("/static", found, name="static")
    app.include_router(router)
