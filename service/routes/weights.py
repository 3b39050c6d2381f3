"""The route by which weights come in: safetensors only, checked before anything is read from them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from service.callers import CallerDep, StoreDep
from service.errors import Pointed, Unacceptable
from service.models.base import View
from service.openapi import REFUSALS
from service.replay import StrictRoute
from service.store import Store
from service.weights import check_safetensors

router = APIRouter(tags=["weights"], route_class=StrictRoute)
MOST_BYTES = 256 * 2**20
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {}}}}}


class WeightsView(View):
    """Weights that were sent."""

    sha256: str = Field(description="what a search's imports name them by")
    size: int = Field(description="bytes")


@router.post("/weights", status_code=201, responses=REFUSALS, operation_id="post_weights", openapi_extra=BODY)
async def post(request: Request, caller: CallerDep, store: StoreDep) -> WeightsView:
    """Keep a safetensors file; the same bytes are kept once."""
    content = await request.body()
    if len(content) > MOST_BYTES:
        raise Unacceptable(Pointed("/", f"{len(content)} bytes; at most {MOST_BYTES} are taken"))
    return await run_in_threadpool(_keep, store, content)


def _keep(store: Store, content: bytes) -> WeightsView:
    store.require_disk()
    with tempfile.TemporaryDirectory(prefix="neckline-") as folder:
        copy = Path(folder) / "weights.safetensors"
        copy.write_bytes(content)
        check_safetensors(copy, pointer="/")
        digest, size = store.files.put(copy)
    return WeightsView(sha256=digest, size=size)
