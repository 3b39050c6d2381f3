"""Taking in a supernet that was trained elsewhere: nothing is stored before its two files fit each other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from service import trained
from service.database import read_clock
from service.datasets import require_room
from service.errors import NotFound, Pointed, Unacceptable
from service.models.supernet_imports import SupernetImport
from service.records import Dataset, Supernet
from service.states import GOOD, State
from service.store import Store
from service.stores import jobs, supernets
from service.supernets import usable_dataset
from service.weights import check_safetensors

SERVERS_OWN = {"dataset": "", "warm_start": None}
"""What a card names of the machine that it was made on; no path of a client's is followed."""


def take_in(store: Store, owner: str, supernet_id: str, request: SupernetImport) -> None:
    """Store a trained supernet; again with the same id it does nothing.

    Raises:
        Unacceptable: the weights were not sent, or do not fit the card; or the card does not fit the dataset.
    """
    store.require_disk()
    with store.database.read() as tx:
        dataset = _ready_dataset(tx, owner, request.dataset_id)
    card = _own_card(request.card)
    _check_categories(card, dataset)
    with tempfile.TemporaryDirectory(prefix="neckline-") as folder:
        files = _checked(store, Path(folder), card, request.weights)
    spec = {**card["spec"], "space": card["space"]}
    name = (request.name or f"imported, on {dataset.name}")[:128]
    with store.database.write() as tx:
        if supernets.get(tx, supernet_id) is not None:
            return
        require_room(tx, owner, store.settings)
        job = jobs.NewJob(supernet_id, "train", owner, {"imported": True}, needs=(dataset.id,))
        jobs.enqueue(tx, job)
        jobs.settle(tx, supernet_id, State.SUCCEEDED, result={"files": files, "imported": True})
        revision = files["supernet.safetensors"]
        supernets.add(tx, Supernet(supernet_id, owner, name, dataset.id, spec, revision, read_clock(tx)))


def _ready_dataset(tx: Connection, owner: str, dataset_id: str) -> Dataset:
    dataset, job = usable_dataset(tx, owner, dataset_id), jobs.get(tx, dataset_id)
    if job is None or job.state not in GOOD:
        raise Unacceptable(Pointed("/dataset_id", "this dataset is not ready: wait until it is SUCCEEDED"))
    return dataset


def _own_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card without what belongs to the machine that it comes from."""
    spec, space = card.get("spec"), card.get("space")
    if (
        not isinstance(spec, dict)
        or not isinstance(space, dict)
        or not isinstance(spec.get("backbone"), dict)
    ):
        detail = "not a supernet.json: it has the objects spec (with its backbone) and space"
        raise Unacceptable(Pointed("/card", detail))
    backbone = {**spec["backbone"], "pretrained_file": None, "frozen": False}
    return {**card, "spec": {**spec, **SERVERS_OWN, "backbone": backbone}}


def _check_categories(card: Mapping[str, Any], dataset: Dataset) -> None:
    try:
        wanted = {str(entry["name"]) for entry in card["categories"]}
    except (KeyError, TypeError) as error:
        raise Unacceptable(Pointed("/card/categories", "a list of objects with id and name")) from error
    known = set(((dataset.statistics or {}).get("train") or {}).get("categories") or ())
    if wanted != known:
        odd = ", ".join(sorted(wanted ^ known)[:8])
        detail = f"the supernet's categories and the dataset's differ in: {odd}"
        raise Unacceptable(Pointed("/card/categories", detail))


def _checked(store: Store, folder: Path, card: Mapping[str, Any], weights: str) -> dict[str, str]:
    """Return the sha256 of both files, once a supernet was built of them."""
    from search_space.errors import SearchSpaceError
    from supernet.detector import load_detector
    from supernet.errors import SupernetError

    copy = folder / "supernet.safetensors"
    try:
        with copy.open("wb") as stream:
            stream.writelines(store.files.read(weights, 0, store.files.size(weights)))
    except (NotFound, FileNotFoundError) as error:
        detail = "no such weights here: send the file to POST /weights first"
        raise Unacceptable(Pointed("/weights", detail)) from error
    check_safetensors(copy, pointer="/weights")
    (folder / "supernet.json").write_text(json.dumps(dict(card), sort_keys=True))
    try:
        load_detector(folder)
    except (SupernetError, SearchSpaceError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = str(error).replace(f"{folder}/", "")
        raise Unacceptable(Pointed("/card", f"{type(error).__name__}: {reason[:2000]}")) from error
    return trained.keep(store, folder)
