"""A registered dataset: checked by its job, shown by its thumbnails."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from service.retention import collect
from service.store import Store
from service.thumbnails import BOX
from service.worker import Worker

from .conftest import issue
from .test_bad_input import API, write_dataset


def registered(store: Store, http: TestClient) -> dict[str, Any]:
    write_dataset(store.settings.resolved_dataset_root / "mine", lambda *_: None)
    made = http.post(f"{API}/datasets", json={"path": "mine"})
    assert made.status_code == 201, made.text
    assert Worker(store).run_one(("dataset",))
    found: dict[str, Any] = http.get(f"{API}/datasets/{made.json()['id']}").json()
    assert found["state"] == "SUCCEEDED", found["error"]
    return found


def test_thumbnails_show_the_boxes_and_outlive_the_collection(store: Store, http: TestClient) -> None:
    dataset = registered(store, http)
    assert dataset["thumbnails"] == [
        f"{API}/datasets/{dataset['id']}/thumbnails/{split}/0" for split in ("train", "val")
    ]
    collect(store, days=0.0)
    for address in dataset["thumbnails"]:
        answer = http.get(address)
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
        pixels = np.asarray(Image.open(io.BytesIO(answer.content)), dtype=float)
        assert pixels.shape == (32, 32, 3)
        on_box, inside = pixels[1, 5], pixels[5, 5]  # the box is [1, 1, 9, 9], the image black
        assert np.abs(on_box - BOX).max() < 100 and inside.max() < 90 < on_box[0]


def test_there_are_no_others_thumbnails_and_none_beyond_the_last(store: Store, http: TestClient) -> None:
    dataset = registered(store, http)
    (first, _) = dataset["thumbnails"]
    assert http.get(first.replace("/0", "/7")).status_code == 404
    assert http.get(first.replace("/0", "/8")).status_code == 422
    assert http.get(first.replace("/train/", "/test/")).status_code == 422
    stranger = {"Authorization": f"Bearer {issue(store, 'eve', 'read')}"}
    assert http.get(first, headers=stranger).status_code == 404
