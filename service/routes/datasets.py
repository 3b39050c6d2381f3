"""Routes of datasets."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from sqlalchemy import Connection

from service import datasets as registering
from service.callers import CallerDep, StoreDep
from service.errors import NotFound
from service.models.base import Id, PageView, job_fields
from service.models.datasets import THUMBNAILS, DatasetView, NewDataset
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import Dataset, Job
from service.replay import FreshId, StrictRoute
from service.stores import datasets, jobs

MEDIA_TYPE = "image/jpeg"
router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    responses=REFUSALS | links(201, ("get_dataset", "dataset_id")),
    operation_id="post_dataset",
)
def post(
    request: NewDataset, caller: CallerDep, store: StoreDep, identifier: FreshId, response: Response
) -> DatasetView:
    """Register a folder below the dataset root, or generate a built-in dataset."""
    registering.register(store, caller.owner, identifier, request)
    response.headers["Location"] = f"/api/v1/datasets/{identifier}"
    with store.database.read() as tx:
        return _view(tx, _required(tx, caller.owner, identifier))


@router.get("", responses=REFUSALS, operation_id="list_datasets")
def index(caller: CallerDep, store: StoreDep, paging: PagingDep) -> PageView[DatasetView]:
    """List the caller's datasets, newest first."""
    with store.database.read() as tx:
        kept, token = paging.cut(datasets.page(tx, caller.owner, paging.page), ("created_at", "id"))
        return PageView(items=[_view(tx, dataset) for dataset in kept], next_page_token=token)


@router.get("/{dataset_id}", responses=REFUSALS, operation_id="get_dataset")
def get(dataset_id: Id, caller: CallerDep, store: StoreDep) -> DatasetView:
    """Return one dataset with its statistics, or with what is wrong with it."""
    with store.database.read() as tx:
        return _view(tx, _required(tx, caller.owner, dataset_id))


@router.get(
    "/{dataset_id}/thumbnails/{split}/{index}",
    responses=REFUSALS | {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
    response_class=Response,
    operation_id="get_thumbnail",
)
def thumbnail(
    dataset_id: Id,
    split: Literal["train", "val"],
    index: Annotated[int, Path(ge=0, lt=THUMBNAILS)],
    caller: CallerDep,
    store: StoreDep,
) -> Response:
    """Return a picture of one of the split's first labelled images, its boxes drawn; `thumbnails` of the
    dataset lists them.
    """
    with store.database.read() as tx:
        _required(tx, caller.owner, dataset_id)
        digest = _pictures(jobs.get(tx, dataset_id)).get(f"{split}/{index}")
    if digest is None:
        raise NotFound("no such thumbnail")
    body = b"".join(store.files.read(digest, 0, store.files.size(digest)))
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=86400, immutable"}
    return Response(body, 200, headers, MEDIA_TYPE)


def _pictures(job: Job | None) -> dict[str, str]:
    """Return the sha256 of the dataset's thumbnails by split and number."""
    return {} if job is None or job.result is None else dict(job.result.get("files") or {})


def _required(tx: Connection, owner: str, dataset_id: str) -> Dataset:
    dataset = datasets.get(tx, dataset_id, owner)
    if dataset is None:
        raise NotFound("no such dataset")
    return dataset


def _view(tx: Connection, dataset: Dataset) -> DatasetView:
    job = jobs.get(tx, dataset.id)
    assert job is not None, dataset.id
    statistics = None if dataset.statistics is None else dict(dataset.statistics)
    return DatasetView(
        **job_fields(job),
        id=dataset.id,
        name=dataset.name,
        source=dataset.source,
        revision=dataset.revision,
        statistics=statistics,
        thumbnails=[f"/api/v1/datasets/{dataset.id}/thumbnails/{name}" for name in sorted(_pictures(job))],
    )
