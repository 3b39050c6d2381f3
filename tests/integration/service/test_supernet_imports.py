"""A supernet trained elsewhere: taken in by its card and its weights, searched at once; lies refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import save_file

from service import trained
from service.app import create_app
from service.client import Client
from service.store import Store
from service.worker import Worker
from supernet.backbone import BackboneSpec
from supernet.data.coco import Category
from supernet.detector import Detector
from supernet.training.spec import TrainingSpec

from .test_bad_input import API, write_dataset
from .test_client import Stumbling

SPACE = {"space": "fusion_grid", "stages": [1], "widths": [16], "ops": ["dw3"], "fusions": ["sum"]}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The two files of a supernet as a training leaves them."""
    torch.manual_seed(0)
    spec = TrainingSpec("/home/ada/data", space=SPACE, backbone=BackboneSpec("plain"), warm_start="/etc")
    made = Detector(spec, (Category(7, "seven"),), (64, 64))
    folder = tmp_path_factory.mktemp("elsewhere")
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, folder / "weights")
    return folder / "weights", json.loads(json.dumps(made.card()))


@pytest.fixture
def dataset(store: Store, http: TestClient) -> str:
    write_dataset(store.settings.resolved_dataset_root / "mine", lambda *_: None)
    found: str = http.post(f"{API}/datasets", json={"path": "mine"}).json()["id"]
    assert Worker(store).run_one(("dataset",))
    return found


def test_an_imported_supernet_is_searched_at_once(
    store: Store, http: TestClient, dataset: str, elsewhere: tuple[Path, dict[str, Any]]
) -> None:
    digest, _ = store.files.put(elsewhere[0])
    body = {"dataset_id": dataset, "card": elsewhere[1], "weights": digest}
    made = http.post(f"{API}/supernets:import", json=body)
    assert made.status_code == 201, made.text
    supernet = made.json()
    assert (supernet["state"], supernet["revision"]) == ("SUCCEEDED", digest)
    assert "/home/ada" not in made.text and "/etc" not in made.text
    kept = json.loads((trained.fetch(store, supernet["id"]) / "supernet.json").read_text())
    assert (kept["spec"]["dataset"], kept["spec"]["warm_start"]) == ("", None)
    search = {
        "supernet_id": supernet["id"],
        "objectives": ["ap", "macs"],
        "budget": {"evaluations": 1},
        "baselines": [],
        "strategy": "random",
    }
    identifier = http.post(f"{API}/searches", json=search).json()["id"]
    assert Worker(store).run_one(("search",))
    found = http.get(f"{API}/searches/{identifier}").json()
    assert (found["state"], found["evaluated"]) == ("SUCCEEDED", 1), http.get(
        f"{API}/searches/{identifier}/subnets"
    ).text


LIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "weights that were not sent": ({"weights": "0" * 64}, "/weights", "POST /weights"),
    "no card": ({"card": {}}, "/card", "supernet.json"),
    "other categories": ({"categories": [{"id": 1, "name": "eight"}]}, "/card/categories", "eight, seven"),
    "another space": ({"space": {"space": "fusion_grid", "widths": [32]}}, "/card", "does not fit"),
    "an unknown space": ({"space": {"space": "fusion_grit"}}, "/card", "fusion_grid"),
    "a newer schema": ({"schema_version": 99}, "/card", "newer"),
}


@pytest.mark.parametrize(("change", "pointer", "word"), LIES.values(), ids=LIES)
def test_a_supernet_that_does_not_fit_itself_is_refused(
    store: Store,
    http: TestClient,
    dataset: str,
    elsewhere: tuple[Path, dict[str, Any]],
    change: dict[str, Any],
    pointer: str,
    word: str,
) -> None:
    digest, _ = store.files.put(elsewhere[0])
    inner = {name: value for name, value in change.items() if name not in ("weights", "card")}
    body = {"dataset_id": dataset, "card": {**elsewhere[1], **inner}, "weights": digest}
    body |= {name: value for name, value in change.items() if name in ("weights", "card")}
    answer = http.post(f"{API}/supernets:import", json=body)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer and word in fault["detail"]
    assert str(store.settings.data) not in answer.text
    assert http.get(f"{API}/supernets").json()["items"] == []


def test_the_client_sends_a_folder_in_one_call(
    store: Store, secret: str, http: TestClient, dataset: str, elsewhere: tuple[Path, dict[str, Any]]
) -> None:
    folder = elsewhere[0].parent
    (folder / "supernet.safetensors").write_bytes(elsewhere[0].read_bytes())
    (folder / "supernet.json").write_text(json.dumps(elsewhere[1]))
    calm = Stumbling(create_app(store), lambda *_: None)
    with Client("http://localhost", secret, transport=calm) as client:
        supernet = client.import_supernet(folder, dataset, name="from afar")
    assert (supernet.name, supernet.state) == ("from afar", "SUCCEEDED")
