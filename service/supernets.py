"""Submitting supernets: what is resolved and checked before a training is queued."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from service.database import read_clock
from service.datasets import below, require_room
from service.errors import NotFound, Pointed, Unacceptable
from service.models.supernets import NewSupernet
from service.records import Dataset, Supernet
from service.states import ENDED, GOOD
from service.store import Store
from service.stores import datasets, jobs, supernets
from service.weights import check_safetensors

OPTIONAL = ("rule", "rule_options", "steps", "batch_size", "subnets", "learning_rate", "warm_start")


def submit(store: Store, owner: str, supernet_id: str, request: NewSupernet) -> None:
    """Store a supernet and its training job; again with the same id it does nothing.

    Raises:
        Unacceptable: the dataset, the space, the backbone or the recipe is wrong.
    """
    store.require_disk()
    spec = resolve(store, request)
    with store.database.write() as tx:
        if supernets.get(tx, supernet_id) is not None:
            return
        add(tx, store, owner, supernet_id, request, spec)


def add(
    tx: Connection, store: Store, owner: str, supernet_id: str, request: NewSupernet, spec: dict[str, Any]
) -> None:
    """Store a supernet with a resolved specification.

    Raises:
        Unacceptable: the dataset is not the owner's, or its job failed.
    """
    require_room(tx, owner, store.settings)
    dataset = usable_dataset(tx, owner, request.dataset_id)
    needs = (dataset.id, *_earlier(tx, owner, request, spec))
    jobs.enqueue(tx, jobs.NewJob(supernet_id, "train", owner, spec, needs=needs))
    name = request.name or f"{request.backbone.name} on {dataset.name}"
    supernets.add(tx, Supernet(supernet_id, owner, name[:128], dataset.id, spec, None, read_clock(tx)))


def _earlier(tx: Connection, owner: str, request: NewSupernet, spec: dict[str, Any]) -> tuple[str, ...]:
    """Return the id of the supernet to begin from, where there is one.

    Raises:
        Unacceptable: it is not the owner's, it failed, or it has another backbone or another kind of space.
    """
    if request.warm_start is None:
        return ()
    found, job = supernets.get(tx, request.warm_start, owner), jobs.get(tx, request.warm_start)
    if found is None or job is None:
        raise Unacceptable(Pointed("/warm_start", "no such supernet"))
    if job.state in ENDED and job.state not in GOOD:
        raise Unacceptable(Pointed("/warm_start", f"this supernet is {job.state}: begin from another"))
    for part, name in (("backbone", "name"), ("space", "space")):
        theirs, mine = found.spec[part][name], spec[part][name]
        if theirs != mine:
            raise Unacceptable(Pointed("/warm_start", f"its {part} is {theirs!r}, not {mine!r}"))
    return (found.id,)


def usable_dataset(tx: Connection, owner: str, dataset_id: str) -> Dataset:
    """Return the owner's dataset, unless its job failed.

    Raises:
        Unacceptable: there is none, or it failed.
    """
    dataset, job = datasets.get(tx, dataset_id, owner), jobs.get(tx, dataset_id)
    if dataset is None or job is None:
        raise Unacceptable(Pointed("/dataset_id", "no such dataset"))
    if job.state in ENDED and job.state not in GOOD:
        raise Unacceptable(Pointed("/dataset_id", f"this dataset is {job.state}: register it anew"))
    return dataset


def resolve(store: Store, request: NewSupernet) -> dict[str, Any]:
    """Return the full specification of the training, every default filled in.

    Raises:
        Unacceptable: with a pointer to the value at fault.
    """
    from service.training import training_spec
    from supernet.backbone import BackboneSpec
    from supernet.training.spec import DEMO_SPACE

    given = {name: value for name in OPTIONAL if (value := getattr(request, name)) is not None}
    backbone = request.backbone.model_dump()
    if backbone["pretrained_file"] is not None:
        root = store.settings.weights_root
        file = below(root, backbone["pretrained_file"], pointer="/backbone/pretrained_file")
        if not file.is_file() or file.suffix != ".safetensors":
            detail = "no such .safetensors file below the weights root"
            raise Unacceptable(Pointed("/backbone/pretrained_file", detail))
        check_safetensors(file, pointer="/backbone/pretrained_file")
        backbone["pretrained_file"] = str(file)
    space = request.space
    if space is None:
        space = dict(DEMO_SPACE)
    given = _recipe(request, kept=bool(BackboneSpec(**backbone).frozen)) | given
    return training_spec(space=space, backbone=backbone, seed=request.seed, given=given, task=request.task)


def _recipe(request: NewSupernet, *, kept: bool) -> dict[str, Any]:
    """Return how to train where the request says nothing of a rule, on a backbone that is kept or not."""
    from supernet.training.spec import DEMO_RULE, FROZEN

    if request.rule is not None or request.rule_options is not None:
        return {}
    if kept:
        return dict(FROZEN)
    return {"rule_options": dict(DEMO_RULE)} if request.space is None else {}


def require(tx: Connection, owner: str, supernet_id: str) -> Supernet:
    """Return the owner's supernet.

    Raises:
        NotFound: there is none.
    """
    found = supernets.get(tx, supernet_id, owner)
    if found is None:
        raise NotFound("no such supernet")
    return found
