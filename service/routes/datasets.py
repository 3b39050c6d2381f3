"""Routes of datasets."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from service import datasets as registering
from service.callers import CallerDep, StoreDep
from service.errors import NotFound
from service.models.base import Id, PageView, job_fields
from service.models.datasets import DatasetView, NewDataset
from service.openapi import REFUSALS, links
from service.paging import PagingDep
from service.records import Dataset
from service.replay import FreshId, StrictRoute
from service.stores import datasets, jobs

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
    )
