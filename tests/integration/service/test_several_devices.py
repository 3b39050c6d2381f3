"""A search on several devices: a calibration and a latency of each, by name."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from evaluators.score import Score
from search_space.architecture import Architecture
from service.scoring import Costs
from service.store import Store

from .scenes import Scene, architecture, end, make_search
from .test_bad_input import API

BOTH = [{"kind": "torch_cpu"}, {"kind": "onnxruntime_cpu"}]
OBJECTIVES = ["ap", "latency_ms@torch_cpu", "latency_ms@onnxruntime_cpu"]


@pytest.fixture
def scene(store: Store) -> Scene:
    made = make_search(store)
    for kind in ("dataset", "train"):
        end(store, kind)
    return made


def ask(http: TestClient, scene: Scene, place: str = "searches", **change: Any) -> Any:
    body = {"supernet_id": scene.supernet, "objectives": OBJECTIVES, "devices": BOTH, **change}
    return http.post(f"{API}/{place}", json=body)


def test_each_device_is_calibrated_before_the_search_begins(http: TestClient, scene: Scene) -> None:
    made = ask(http, scene)
    assert made.status_code == 201, made.text
    search = made.json()
    placed = search["spec"]["devices"]
    assert [entry["name"] for entry in placed] == ["torch_cpu", "onnxruntime_cpu"]
    assert len({entry["predictor_id"] for entry in placed}) == 2
    assert (search["device_id"], search["predictor_id"]) == (
        placed[0]["device_id"],
        placed[0]["predictor_id"],
    )
    again = ask(http, scene).json()["spec"]["devices"]
    assert again == placed, "a device is registered and calibrated once"


def test_a_registered_device_goes_by_its_own_name(http: TestClient, scene: Scene) -> None:
    board = http.post(f"{API}/devices", json={"name": "my board", "kind": "torch_cpu", "threads": 2}).json()
    made = ask(http, scene, devices=[BOTH[0], board["id"]], objectives=["ap", "latency_ms@my-board"])
    assert made.status_code == 201, made.text
    assert [entry["name"] for entry in made.json()["spec"]["devices"]] == ["torch_cpu", "my-board"]


@pytest.mark.parametrize("place", ["searches", "searches:validate"])
def test_names_that_do_not_tell_devices_apart_are_refused(http: TestClient, scene: Scene, place: str) -> None:
    twice = [{"kind": "torch_cpu"}, {"kind": "torch_cpu", "threads": 2}]
    (fault,) = ask(http, scene, place, devices=twice).json()["errors"]
    assert fault["pointer"] == "/devices/1" and "names of their own" in fault["detail"]
    (fault,) = ask(http, scene, place, objectives=["ap", "latency_ms@bord"]).json()["errors"]
    assert fault["pointer"] == "/objectives/1" and "torch_cpu, onnxruntime_cpu" in fault["detail"]


class Slow:
    """A predictor of one answer."""

    metric = "latency_ms"

    def __init__(self, ms: float) -> None:
        self.ms = ms

    def predict(self, _: Architecture) -> Score:
        return Score("latency_ms", self.ms, "ms", "predicted", 0.1)


def test_an_architecture_has_the_latency_of_each_device() -> None:
    first: Any = Slow(1.0)
    other: Any = Slow(2.0)
    found = Costs((64, 64), first, (("board", first), ("phone", other)))(architecture())
    latencies = {score.metric: score.value for score in found if score.unit == "ms"}
    assert latencies == {"latency_ms": 1.0, "latency_ms@board": 1.0, "latency_ms@phone": 2.0}
