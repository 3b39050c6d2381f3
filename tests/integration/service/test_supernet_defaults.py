"""What a supernet is when only its dataset is named: tuned as the demo; a pretrained backbone is kept, and
the rule is the one that ranks best there.
"""

from __future__ import annotations

from fastapi.testclient import TestClient
from safetensors.torch import save_file

from service.store import Store
from supernet.backbone import Backbone, BackboneSpec
from supernet.training.spec import FROZEN, TrainingSpec

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
    backbone = pretrained(store)
    for asked, kept in (({}, True), ({"frozen": False}, False)):
        answer = http.post(
            f"{API}/supernets", json={"dataset_id": dataset, "backbone": {**backbone, **asked}}
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["spec"]["backbone"]["frozen"] is kept
        assert (answer.json()["spec"]["rule"] == FROZEN["rule"]) is kept
    assert (
        http.post(f"{API}/supernets", json={"dataset_id": dataset}).json()["spec"]["backbone"]["frozen"]
        is False
    )


def test_on_a_kept_backbone_the_rule_that_ranks_best_trains(http: TestClient, store: Store) -> None:
    asked = {"dataset_id": make_search(store).dataset, "backbone": pretrained(store)}
    spec = http.post(f"{API}/supernets", json=asked).json()["spec"]
    assert {name: spec[name] for name in FROZEN} == FROZEN
    spec = http.post(f"{API}/supernets", json=asked | {"steps": 7}).json()["spec"]
    assert (spec["rule"], spec["steps"]) == ("single_path", 7)
    spec = http.post(f"{API}/supernets", json=asked | {"rule": "sandwich"}).json()["spec"]
    assert (spec["rule"], spec["rule_options"], spec["steps"]) == ("sandwich", {}, TrainingSpec("").steps)


def pretrained(store: Store) -> dict[str, str]:
    """Write weights below the service's root and return the backbone that begins with them."""
    root = store.settings.weights_root
    root.mkdir(parents=True, exist_ok=True)
    weights = Backbone(BackboneSpec(), (3, 4, 5)).model.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, root / "plain.safetensors")
    return {"name": "plain", "pretrained_file": "plain.safetensors"}
