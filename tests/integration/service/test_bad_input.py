"""Data and specifications that cannot work: refused with a pointer, the file, the record and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from benchmarks import synthetic
from service.store import Store
from service.stores import jobs

from .scenes import Scene, end, make_search

API = "/api/v1"
Spoil = Callable[[Path, dict[str, Any]], None]


def write_dataset(root: Path, spoil: Spoil) -> None:
    """Write a sound dataset of one image a split, then let the training split be spoiled."""
    for split in ("train", "val"):
        folder = root / split
        (folder / "images").mkdir(parents=True)
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "images" / "a.png")
        document: dict[str, Any] = {
            "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 32}],
            "annotations": [
                {"id": 5, "image_id": 1, "category_id": 7, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
            ],
            "categories": [{"id": 7, "name": "seven"}],
        }
        if split == "train":
            spoil(folder, document)
        if not (folder / "annotations.json").exists():
            (folder / "annotations.json").write_text(json.dumps(document))


def box(*values: float) -> Spoil:
    def spoil(_: Path, document: dict[str, Any]) -> None:
        document["annotations"][0]["bbox"] = list(values)

    return spoil


def orphan(_: Path, document: dict[str, Any]) -> None:
    document["annotations"][0]["image_id"] = 99


def unlabelled(_: Path, document: dict[str, Any]) -> None:
    document["annotations"] = []


def broken_json(folder: Path, _: dict[str, Any]) -> None:
    (folder / "annotations.json").write_text("{not json")


def broken_image(folder: Path, _: dict[str, Any]) -> None:
    (folder / "images" / "a.png").write_bytes(b"not an image")


def no_image(folder: Path, _: dict[str, Any]) -> None:
    (folder / "images" / "a.png").unlink()


FAULTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "broken JSON": (broken_json, ("annotations.json", "line 1, column 2", "export the annotations again")),
    "annotation without an image": (
        orphan,
        ("annotations.json", "annotation 5", "99", "delete the annotation"),
    ),
    "unreadable image": (broken_image, ("a.png", "image 1", "replace the file")),
    "missing image": (no_image, ("a.png", "image 1", "add it or delete its record")),
    "box outside": (box(40, 40, 9, 9), ("annotations.json", "annotation 5", "clip the box")),
    "box without area": (box(1, 1, 0, 9), ("annotations.json", "annotation 5", "redraw its box")),
    "no annotations": (unlabelled, ("annotations.json", "no annotations", "label at least one")),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_a_dataset_that_cannot_be_used_is_refused_with_its_record(
    store: Store, http: TestClient, spoil: Spoil, words: tuple[str, ...]
) -> None:
    root = store.settings.resolved_dataset_root
    write_dataset(root / "mine", spoil)
    answer = http.post(f"{API}/datasets", json={"path": "mine"})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == "/path" and str(root) not in answer.text
    for word in words:
        assert word in fault["detail"]
    assert http.get(f"{API}/datasets").json()["items"] == []


def test_a_missing_folder_is_refused_with_the_layout(http: TestClient) -> None:
    (fault,) = http.post(f"{API}/datasets", json={"path": "missing"}).json()["errors"]
    assert fault["pointer"] == "/path" and "annotations.json" in fault["detail"]


def test_sparse_category_ids_are_fine(store: Store, http: TestClient) -> None:
    write_dataset(store.settings.resolved_dataset_root / "mine", lambda *_: None)
    assert http.post(f"{API}/datasets", json={"path": "mine"}).status_code == 201


@pytest.fixture
def scene(store: Store) -> Scene:
    made = make_search(store)
    end(store, "dataset")
    end(store, "train")
    return made


RECIPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown backbone": ({"backbone": {"name": "resnet19"}}, "/backbone/name", "resnet1"),
    "frozen without weights": ({"backbone": {"name": "plain", "frozen": True}}, "/backbone", "pretrained"),
    "weights that are not there": (
        {"backbone": {"name": "plain", "pretrained_file": "x.safetensors"}},
        "/backbone/pretrained_file",
        "no such",
    ),
    "weights above the root": (
        {"backbone": {"name": "plain", "pretrained_file": "../x.safetensors"}},
        "/backbone/pretrained_file",
        "'..'",
    ),
    "unknown space": ({"space": "fusion_grit"}, "/space", "fusion_grid"),
    "unknown option": ({"space": {"space": "fusion_grid", "colour": 1}}, "/space", "colour"),
    "unknown rule": ({"rule": "sandwitch"}, "/rule", "sandwich"),
    "one image a step": ({"batch_size": 1}, "/batch_size", "two images"),
    "unknown task": ({"task": "sorting"}, "/task", "detection"),
    "no such dataset": ({"dataset_id": "01977b6e-3f60-7cc3-9d6c-5f9a3b1c2d4e"}, "/dataset_id", "no such"),
}


@pytest.mark.parametrize(("change", "pointer", "word"), RECIPES.values(), ids=RECIPES)
def test_a_training_that_cannot_work_is_refused_with_a_pointer(
    http: TestClient, scene: Scene, change: dict[str, Any], pointer: str, word: str
) -> None:
    before = len(http.get(f"{API}/supernets").json()["items"])
    answer = http.post(f"{API}/supernets", json={"dataset_id": scene.dataset, **change})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer and word in fault["detail"]
    inline = http.post(f"{API}/searches", json={"supernet": {"dataset_id": scene.dataset, **change}})
    assert inline.status_code == 422
    assert len(http.get(f"{API}/supernets").json()["items"]) == before


def test_widths_that_the_norm_cannot_divide_are_refused(http: TestClient, scene: Scene) -> None:
    space = {"space": "fusion_grid", "widths": [20, 33], "norm": "group"}
    answer = http.post(f"{API}/supernets", json={"dataset_id": scene.dataset, "space": space})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/space")


IMPOSSIBLE = {
    "a budget below every neck": ({"metric": "macs", "upper": 1.0}, "macs"),
    "an accuracy above every neck": ({"metric": "ap", "lower": 0.999}, "ap"),
}


@pytest.mark.parametrize(("bound", "metric"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_budget_that_nothing_meets_is_answered_with_the_nearest_found(
    store: Store, http: TestClient, scene: Scene, bound: dict[str, Any], metric: str
) -> None:
    with store.database.write() as tx:  # the scene's own search would come first
        jobs.cancel_now(tx, scene.search)
    body = {
        "supernet_id": scene.supernet,
        "objectives": ["ap", "macs"],
        "constraints": [bound],
        "strategy": "random",
        "budget": {"evaluations": 6},
        "baselines": ["fpn"],
    }
    made = http.post(f"{API}/searches", json=body)
    assert made.status_code == 201, made.text
    assert synthetic.worker(store).run_one(("search",))
    found = http.get(f"{API}/searches/{made.json()['id']}").json()
    assert found["state"] == "SUCCEEDED" and found["error"] is None
    answer = found["result"]["infeasible"]
    assert metric in answer["detail"] and any(score["metric"] == metric for score in answer["scores"])
    front = http.get(f"{API}/searches/{made.json()['id']}/pareto").json()
    assert front["points"] == []
    if metric == "ap":  # evaluated, so the nearest are there to look at; costs are refused before that
        assert "infeasible" in answer["detail"] and front["nearest"][0]["feasible"] is False
    else:
        assert answer["value"] > 1.0 and front["evaluated"] == 0
