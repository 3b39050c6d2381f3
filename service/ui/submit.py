"""The page that submits a search: what is left as it is is left to the API, which resolves, validates and
carries it out; the form says what that will be.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from search.objectives import METRICS
from service.callers import CallerDep, StoreDep
from service.models.searches import BudgetSpec
from service.paging import Paging
from service.routes import datasets as datasets_api
from service.routes import devices as devices_api
from service.routes import supernets as supernets_api
from service.searches import PREFERRED
from service.states import ENDED, GOOD
from service.stores.rows import Page
from service.ui import defaults
from service.ui.page import PageRoute, render

router = APIRouter(route_class=PageRoute)
MOST_LISTED = 200
BACKBONES = ("mobilenetv3_small_050", "mobilenetv3_large_100", "resnet10t", "resnet18", "efficientnet_lite0")
"""Suggestions; the field takes any timm model that offers features."""
NOT_HERE = ("remote", "cuda")
"""Kinds of devices that the workers' machine need not have: they are registered on the page of devices."""


@router.get("/searches/new")
def page(request: Request, caller: CallerDep, store: StoreDep) -> Response:
    """Show the form."""
    everything = Paging(Page(MOST_LISTED), "")
    supernets = supernets_api.index(caller, store, everything).items
    datasets = datasets_api.index(caller, store, everything).items
    return render(
        request,
        "submit.html",
        datasets=[entry for entry in datasets if entry.state in GOOD or entry.state not in ENDED],
        supernets=[entry for entry in supernets if entry.state in GOOD or entry.state not in ENDED],
        devices=devices_api.index(caller, store, everything).items,
        settings=store.settings,
        **_choices(),
    )


def _choices() -> dict[str, Any]:
    strategies = defaults.plugins("search.strategies")
    return {
        "backbones": BACKBONES,
        "training": defaults.training(),
        "kept": defaults.kept_backbone(),
        "rules": defaults.plugins("supernet.training.rules"),
        "spaces": defaults.plugins("search_space.spaces"),
        "strategies": strategies,
        "strategy": next(name for name in PREFERRED if name in strategies),
        "necks": defaults.plugins("search_space.reference"),
        "budget": BudgetSpec(),
        "kinds": [name for name in defaults.plugins("evaluators.devices") if name not in NOT_HERE],
        "metrics": [name for name in METRICS if name not in ("miou",)],
    }
