"""From a searched subnet to files: every format by a real worker, fine-tuning before and after, refusals."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest
import torch
from fastapi.testclient import TestClient

from evaluators.finetuning import FineTuning
from search_space import reference
from service import schema
from service.app import create_app
from service.database import Database
from service.files import Files
from service.retention import collect
from service.settings import Settings
from service.store import Store
from service.stores import jobs
from service.stores.evaluations import NewEvaluation, add
from service.worker import LANES, Worker
from supernet.export import onnx
from supernet.export.bundle import weights_file
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import trained

from .conftest import issue
from .scenes import CHANNELS, REVISIONS

API = "/api/v1"
KINDS = tuple(kind for kinds in LANES.values() for kind in kinds)
SPACE = {"space": "fusion_grid", "widths": [8], "stages": [1], "paths": ["top_down", "bottom_up"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    settings = Settings(
        data=folder, low_water_bytes=0, executor="local", train_threads=1, log_level="error", poll_s=0.02
    )
    database = Database(settings.resolved_database_url)
    schema.upgrade(database)
    found = Store(database, Files(settings.resolved_artifacts_url), settings)
    yield found
    found.close()


@pytest.fixture(scope="module")
def http(store: Store) -> Iterator[TestClient]:
    with TestClient(create_app(store), base_url="http://localhost") as client:
        client.headers["Authorization"] = f"Bearer {issue(store, 'ada', 'admin', 'write', 'read')}"
        yield client


def work(store: Store) -> None:
    """Do everything that is queued."""
    worker = Worker(store, name="w")
    while worker.run_one(KINDS):
        pass


@pytest.fixture(scope="module")
def search(store: Store, http: TestClient) -> str:
    """A finished search of two necks and a baseline over a supernet of four steps."""
    options = {"train": 16, "val": 6, "image_size": 96, "seed": 1}
    dataset = http.post(f"{API}/datasets", json={"builtin": "digits", "name": "d", "options": options})
    assert dataset.status_code == 201, dataset.text
    spec = {"dataset_id": dataset.json()["id"], "space": SPACE, "steps": 4, "batch_size": 8}
    supernet = http.post(f"{API}/supernets", json=spec)
    assert supernet.status_code == 201, supernet.text
    wanted = {"supernet_id": supernet.json()["id"], "objectives": ["ap", "macs"], "baselines": ["fpn"]}
    made = http.post(f"{API}/searches", json=wanted | {"budget": {"evaluations": 2}, "strategy": "random"})
    assert made.status_code == 201, made.text
    work(store)
    assert http.get(made.headers["Location"]).json()["state"] == "SUCCEEDED"
    return str(made.json()["id"])


@pytest.fixture(scope="module")
def subnet(http: TestClient, search: str) -> str:
    items = http.get(f"{API}/searches/{search}/subnets").json()["items"]
    return next(str(item["id"]) for item in items if item["origin"] == "search")


def artifact(http: TestClient, store: Store, subnet: str, **wanted: object) -> dict[str, object]:
    answer = http.post(f"{API}/subnets/{subnet}/artifacts", json=wanted)
    assert answer.status_code == 202, answer.text
    work(store)
    found: dict[str, object] = http.get(answer.headers["Location"]).json()
    return found


def content(http: TestClient, found: dict[str, object]) -> bytes:
    assert found["state"] == "SUCCEEDED", found["error"]
    return http.get(str(found["content"])).content


@pytest.fixture(scope="module")
def tuned(http: TestClient, store: Store, subnet: str) -> dict[str, object]:
    schedule = {"steps": 3, "learning_rate": 0.001, "seed": 2, "control": True}
    answer = http.post(f"{API}/subnets/{subnet}:finetune", json=schedule)
    assert answer.status_code == 202, answer.text
    assert answer.json()["before"] is None
    work(store)
    found: dict[str, object] = http.get(answer.headers["Location"]).json()
    return found


def test_a_bundle_is_complete_and_asked_for_again_it_is_the_same(
    http: TestClient, store: Store, subnet: str
) -> None:
    found = artifact(http, store, subnet)
    with zipfile.ZipFile(io.BytesIO(content(http, found))) as bundle:
        names, card = set(bundle.namelist()), bundle.read("card.md").decode()
    assert {"neck.py", "neck.safetensors", "neck.onnx", "detect.py", "topology.svg", "card.md"} <= names
    assert "(inherited)" in card and "| fpn |" in card and "d, revision" in card and "strategy random" in card
    again = http.post(f"{API}/subnets/{subnet}/artifacts", json={"format": "bundle"}).json()
    assert (again["id"], again["sha256"]) == (found["id"], found["sha256"])
    assert http.post(f"{API}/subnets/{subnet}/artifacts", json={"deploy": True}).json()["id"] != found["id"]
    work(store)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("format", ["safetensors", "onnx", "source", "torch_export"])
def test_every_format_is_made_and_checked(http: TestClient, store: Store, subnet: str, format: str) -> None:
    found = artifact(http, store, subnet, format=format)
    assert len(content(http, found)) == found["size"]


def test_a_failed_check_is_a_failed_artifact_with_the_numbers(
    http: TestClient, store: Store, subnet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = onnx.export

    def wrong(neck: Subnet) -> bytes:
        with torch.no_grad():
            next(neck.parameters()).mul_(1.5)
        model = honest(neck)
        with torch.no_grad():
            next(neck.parameters()).div_(1.5)
        return model

    monkeypatch.setattr(onnx, "export", wrong)
    found = artifact(http, store, subnet, format="onnx", deploy=True)
    assert found["state"] == "FAILED"
    assert "neck.onnx, 97 x 131: difference" in json.dumps(found["error"])


def test_fine_tuning_says_before_after_and_control(
    http: TestClient, subnet: str, tuned: dict[str, object]
) -> None:
    assert tuned["state"] == "SUCCEEDED", tuned["error"]
    assert (tuned["steps"], tuned["learning_rate"], tuned["seed"]) == (3, 0.001, 2)
    sources = {}
    for part in ("before", "after", "control"):
        scores = tuned[part]
        assert isinstance(scores, list)
        sources[part] = {score["source"] for score in scores}
        assert "ap" in {score["metric"] for score in scores}
    assert sources == {"before": {"inherited"}, "after": {"fine-tuned"}, "control": {"trained"}}
    stored = http.get(f"{API}/subnets/{subnet}").json()["scores"]
    assert "fine-tuned" in {score["source"] for score in stored}
    assert "trained" not in {score["source"] for score in stored}


def test_the_fine_tuned_weights_can_be_taken_home(
    http: TestClient, store: Store, subnet: str, tuned: dict[str, object]
) -> None:
    plain = content(http, artifact(http, store, subnet, format="safetensors"))
    other = content(http, artifact(http, store, subnet, format="safetensors", finetuning_id=tuned["id"]))
    assert plain != other and len(plain) == len(other)
    bundle = content(http, artifact(http, store, subnet, finetuning_id=tuned["id"]))
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.read("neck.safetensors") == other
        assert "(fine-tuned)" in archive.read("card.md").decode()


def test_weights_of_another_subnets_fine_tuning_are_refused(
    http: TestClient, search: str, subnet: str, tuned: dict[str, object]
) -> None:
    items = http.get(f"{API}/searches/{search}/subnets").json()["items"]
    other = next(item["id"] for item in items if item["id"] != subnet)
    answer = http.post(f"{API}/subnets/{other}/artifacts", json={"finetuning_id": tuned["id"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/finetuning_id"


def test_what_cannot_be_exported_says_so_before_and_when_asked(
    http: TestClient, store: Store, search: str
) -> None:
    graph = reference.build("sepc", CHANNELS)
    new = NewEvaluation(graph.key, graph.to_json(), None, "search", "ok", [], None, 0.1)
    with store.database.write() as tx:
        identifier = add(tx, search, new, REVISIONS, 1)
    said = http.get(f"{API}/subnets/{identifier}").json()["obstacles"]
    assert set(said) == {"bundle", "safetensors", "onnx", "source", "torch_export"}
    answer = http.post(f"{API}/subnets/{identifier}/artifacts", json={"format": "onnx"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/format" and "deform_conv" in error["detail"]


def test_an_unknown_format_is_refused(http: TestClient, subnet: str) -> None:
    answer = http.post(f"{API}/subnets/{subnet}/artifacts", json={"format": "pickle"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == "/format"


def test_a_file_that_is_gone_is_made_again(http: TestClient, store: Store, subnet: str) -> None:
    found = artifact(http, store, subnet, format="source")
    store.files.remove(str(found["sha256"]))
    again = artifact(http, store, subnet, format="source")
    assert again["id"] != found["id"] and content(http, again)


def test_gathering_keeps_fine_tuned_weights(store: Store, tuned: dict[str, object]) -> None:
    with store.database.read() as tx:
        job = jobs.get(tx, str(tuned["id"]))
    assert job is not None and job.result is not None
    collect(store, days=30)
    assert store.files.exists(job.result["files"]["weights"])


def supernet_of(http: TestClient, search: str) -> str:
    return str(http.get(f"{API}/searches/{search}").json()["supernet_id"])


def baselines_of(http: TestClient, search: str) -> dict[str, dict[str, object]]:
    items = http.get(f"{API}/searches/{search}/subnets").json()["items"]
    return {i["origin"].partition(":")[2]: i for i in items if i["origin"].startswith("baseline:")}


def sources(item: dict[str, object]) -> set[str]:
    scores = item["scores"]
    assert isinstance(scores, list), item
    return {score["source"] for score in scores if score["metric"] == "ap"}


def test_necks_from_elsewhere_and_outside_the_space_are_baselines(
    http: TestClient, store: Store, search: str, subnet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FineTuning, "run", lambda _: iter(()))  # as many steps as a test can afford
    channels = http.get(f"{API}/subnets/{subnet}").json()["architecture"]["inputs"]
    levels = {entry["level"]: entry["channels"] for entry in channels}
    mine = trained(reference.build("bifpn", levels, width=8, repeats=1))
    sent = http.post(
        f"{API}/weights", content=weights_file(mine), headers={"Content-Type": "application/octet-stream"}
    )
    assert sent.status_code == 201, sent.text
    known = http.get(f"{API}/subnets/{subnet}").json()["architecture"]
    wanted = {
        "supernet_id": supernet_of(http, search),
        "baselines": ["fpn", "pafpn"],
        "imports": [
            {
                "name": "mine",
                "architecture": json.loads(mine.architecture.to_json()),
                "weights": sent.json()["sha256"],
            },
            {"name": "known", "architecture": known},
        ],
        "budget": {"evaluations": 1},
        "strategy": "random",
    }
    made = http.post(f"{API}/searches", json=wanted)
    assert made.status_code == 201, made.text
    work(store)
    ended = http.get(made.headers["Location"]).json()
    assert ended["state"] == "SUCCEEDED", ended
    found = baselines_of(http, made.json()["id"])
    assert {name: sources(item) for name, item in found.items()} == {
        "fpn": {"inherited"},
        "pafpn": {"trained"},
        "mine": {"fine-tuned"},
        "known": {"inherited"},
    }
    collect(store, days=30)
    assert store.files.exists(sent.json()["sha256"]), "a search's record names them"


def test_weights_of_another_neck_and_lying_headers_are_refused(
    http: TestClient, search: str, subnet: str
) -> None:
    bytes_of = {"Content-Type": "application/octet-stream"}
    lying = (2**40).to_bytes(8, "little") + b"{}"
    answer = http.post(f"{API}/weights", content=lying, headers=bytes_of)
    assert answer.status_code == 422 and "header" in answer.json()["errors"][0]["detail"]
    other = http.post(
        f"{API}/weights", content=weights_file(trained(reference.build("fpn", CHANNELS))), headers=bytes_of
    )
    graph = http.get(f"{API}/subnets/{subnet}").json()["architecture"]
    spec = {"supernet_id": supernet_of(http, search), "budget": {"evaluations": 1}}
    entry = {"name": "mine", "architecture": graph, "weights": other.json()["sha256"]}
    answer = http.post(f"{API}/searches", json=spec | {"imports": [entry]})
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/imports/0/weights" and "missing" in error["detail"]
    answer = http.post(f"{API}/searches", json=spec | {"imports": [entry | {"weights": "0" * 64}]})
    assert answer.json()["errors"][0]["pointer"] == "/imports/0/weights"
    wrong = json.loads(reference.build("fpn", {3: 7, 4: 8, 5: 9}).to_json())
    answer = http.post(f"{API}/searches", json=spec | {"imports": [{"name": "x", "architecture": wrong}]})
    assert answer.json()["errors"][0]["pointer"] == "/imports/0/architecture"
    answer = http.post(f"{API}/searches", json=spec | {"imports": [{"name": "x", "architecture": {}}]})
    assert answer.json()["errors"][0]["pointer"] == "/imports/0/architecture"


def test_a_supernet_begins_from_an_earlier_one(http: TestClient, store: Store, search: str) -> None:
    earlier = http.get(f"{API}/supernets/{supernet_of(http, search)}").json()
    spec = {"dataset_id": earlier["dataset_id"], "space": SPACE, "steps": 1, "batch_size": 8}
    made = http.post(f"{API}/supernets", json=spec | {"warm_start": earlier["id"]})
    assert made.status_code == 201, made.text
    assert made.json()["spec"]["warm_start"] == earlier["id"]
    work(store)
    ended = http.get(made.headers["Location"]).json()
    assert ended["state"] == "SUCCEEDED", ended["error"]
    other = {"space": "merging_cells"}
    for change, word in (({"space": other}, "space"), ({"backbone": {"name": "resnet10t"}}, "backbone")):
        answer = http.post(f"{API}/supernets", json=spec | {"warm_start": earlier["id"]} | change)
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/warm_start" and word in error["detail"]
    answer = http.post(f"{API}/supernets", json=spec | {"warm_start": "01977b6e-3f60-7cc3-9d6c-5f9a3b1c2d4e"})
    assert answer.json()["errors"][0]["pointer"] == "/warm_start"


def test_finalists_are_tuned_against_each_other(http: TestClient, store: Store, search: str) -> None:
    items = http.get(f"{API}/searches/{search}/subnets").json()["items"]
    ids = [item["id"] for item in items if item["state"] == "ok" and item["scores"]][:2]
    answer = http.post(f"{API}/searches/{search}:finetune", json={"subnet_ids": [ids[0], ids[0]]})
    assert answer.json()["errors"][0]["pointer"] == "/subnet_ids/1"
    made = http.post(
        f"{API}/searches/{search}:finetune", json={"subnet_ids": ids, "steps": 2, "rounds": 2, "seed": 7}
    )
    assert made.status_code == 202, made.text
    work(store)
    ended = http.get(made.headers["Location"]).json()
    assert ended["state"] == "SUCCEEDED", ended["error"]
    assert {entry["subnet_id"] for entry in ended["finalists"]} == set(ids)
    assert all(sources(entry) == {"fine-tuned"} for entry in ended["finalists"])
