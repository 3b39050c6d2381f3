"""What a supernet is when only its dataset is named: tuned as the demo; a pretrained backbone is kept."""

from __future__ import annotations

from fastapi.testclient import TestClient
from safetensors.torch import save_file

from service.store import Store
from supernet.backbone import Backbone, BackboneSpec
from supernet.training.spec import TrainingSpec

from .scenes import make_search

API = "/api/v1"


def test_space_and_rule_are_those_of_the_demo_unless_named(http: TestClient, store: Store) -> None:
    dataset = make_search(store).dataset
    demo = TrainingSpec.demo("")
    spec = http.post(f"{API}/supernets", json={"dataset_id": dataset}).json()["spec"]
    assert {name: spec["space"][name] for name in demo.space} == demo.space
    assert (spec["rule"], spec["rule_options"]) == (demo.rule, demo.rule_options)
    named = {"dataset_id": dataset, "rule": "single_path"}
    assert http.post(f"{API}/supernets", json=named).json()["spec"]["rule_options"] == {}
    named = {"dataset_id": dataset, "space": "fusion_grid"}
    assert http.post(f"{API}/supernets", json=named).json()["spec"]["space"]["stages"] != demo.space["stages"]


def test_a_pretrained_backbone_is_kept_unless_it_is_to_be_trained(http: TestClient, store: Store) -> None:
    dataset = make_search(store).dataset
    root = store.settings.weights_root
    root.mkdir(parents=True, exist_ok=True)
    weights = Backbone(BackboneSpec(), (3, 4, 5)).model.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, root / "plain.safetensors")
    for asked, kept in (({}, True), ({"frozen": False}, False)):
        backbone = {"name": "plain", "pretrained_file": "plain.safetensors", **asked}
        answer = http.post(f"{API}/supernets", json={"dataset_id": dataset, "backbone": backbone})
        assert answer.status_code == 201, answer.text
        assert answer.json()["spec"]["backbone"]["frozen"] is kept
    assert (
        http.post(f"{API}/supernets", json={"dataset_id": dataset}).json()["spec"]["backbone"]["frozen"]
        is False
    )
