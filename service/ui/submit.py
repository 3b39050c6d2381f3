"""The page that submits a search: every default stands in the form; the API validates and carries it out."""

from __future__ import annotations

import pkgutil
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.callers import CallerDep, StoreDep
from service.models.searches import BudgetSpec
from service.paging import Paging
from service.routes import datasets as datasets_api
from service.routes import devices as devices_api
from service.routes import supernets as supernets_api
from service.searches import BASELINES, PREFERRED
from service.states import ENDED, GOOD
from service.stores.rows import Page
from service.ui.page import PageRoute, render

router = APIRouter(route_class=PageRoute)
MOST_LISTED = 200
BACKBONES = ("mobilenetv3_small_050", "mobilenetv3_large_100", "resnet10t", "resnet18", "efficientnet_lite0")
"""Suggestions; the field takes any timm model that offers features."""
FREE = ("macs", "parameters", "activation_memory")
"""Objectives that need no device."""


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
    from evaluators import devices as device_kinds
    from search import strategy
    from search.objectives import METRICS
    from search_space import reference, spaces
    from supernet.training import rules
    from supernet.training.spec import TrainingSpec

    strategies = strategy.names()
    kinds = [entry.name for entry in pkgutil.iter_modules(device_kinds.__path__)]
    return {
        "backbones": BACKBONES,
        "training": TrainingSpec(dataset="unset"),
        "rules": [entry.name for entry in pkgutil.iter_modules(rules.__path__)],
        "spaces": spaces.names(),
        "strategies": strategies,
        "strategy": next(name for name in PREFERRED if name in strategies),
        "necks": reference.files(),
        "baselines": BASELINES,
        "budget": BudgetSpec(),
        "kinds": [name for name in kinds if name not in ("remote", "cuda")],
        "metrics": [name for name in METRICS if name not in ("miou",)],
    }
