"""The resources over HTTP, on both databases: searches, events, subnets, fronts, artifacts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from service.identifiers import new_id
from service.records import Supernet
from service.states import State
from service.store import Store
from service.stores import artifacts, devices, evaluations, jobs, supernets

from .scenes import SPACE, Scene, add, end, hold, make_artifact, make_search

API = "/api/v1"
POINTS = [(0.5, 2.0), (0.6, 3.0), (0.4, 2.5), (0.7, 9.0), (0.2, 1.0)]
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def scene(store: Store) -> Scene:
    """A search whose supernet is trained, with a few evaluations."""
    made = make_search(store)
    end(store, "dataset")
    end(store, "train")
    add(store, made, POINTS)
    return made


def test_a_search_is_queued_with_its_location_and_its_defaults(http: TestClient, scene: Scene) -> None:
    answer = http.post(f"{API}/searches", json={"supernet_id": scene.supernet, "objectives": ["ap", "macs"]})
    view = answer.json()
    assert answer.status_code == 201 and answer.headers["location"] == f"{API}/searches/{view['id']}"
    assert (
        view["state"] == "QUEUED" and view["spec"]["strategy"] and view["spec"]["budget"]["evaluations"] == 64
    )
    assert view["spec"]["baselines"] == ["fpn", "pafpn", "bifpn", "rev_fp"]
    assert http.get(answer.headers["location"]).json() == view


def test_a_latency_objective_brings_its_device_and_a_calibration(http: TestClient, scene: Scene) -> None:
    body = {
        "supernet_id": scene.supernet,
        "objectives": ["ap", "latency_ms"],
        "devices": [{"kind": "onnxruntime_cpu"}],
    }
    first, second = (http.post(f"{API}/searches", json=body).json() for _ in range(2))
    device = http.get(f"{API}/devices/{first['device_id']}").json()
    assert [predictor["id"] for predictor in device["predictors"]] == [first["predictor_id"]]
    assert second["device_id"] == first["device_id"] and second["predictor_id"] == first["predictor_id"]


def test_certainty_can_be_asked_of_a_bound(http: TestClient, scene: Scene) -> None:
    bound = {"metric": "macs", "upper": 1e9, "certain": True}
    body = {"supernet_id": scene.supernet, "objectives": ["ap", "macs"], "constraints": [bound]}
    made = http.post(f"{API}/searches", json=body).json()
    assert made["spec"]["constraints"] == [{**bound, "lower": None}]


def test_more_parallelism_than_there_is_is_reduced_and_said(http: TestClient, scene: Scene) -> None:
    body = {"supernet_id": scene.supernet, "budget": {"parallel": 200}}
    spec = http.post(f"{API}/searches", json=body).json()["spec"]
    allowed = spec["budget"]["parallel"]
    assert allowed < 200
    said = f"200 evaluations at once were asked for, this service runs at most {allowed}"
    assert spec["notices"] == [said]


FAULTS = [
    ({"objectives": ["speed"]}, "/objectives/0", "unknown metric"),
    ({"objectives": ["ap", "ap"]}, "/objectives", "once"),
    ({"objectives": ["latency_ms"]}, "/objectives/0", "needs a device"),
    ({"constraints": [{"metric": "latency_ms", "upper": 3}]}, "/constraints/0/metric", "needs a device"),
    ({"constraints": [{"metric": "ap", "lower": 0.9, "upper": 0.1}]}, "/constraints/0", "contradict"),
    ({"constraints": [{"metric": "ap"}]}, "/constraints/0", "upper or lower"),
    (
        {"constraints": [{"metric": "macs", "lower": 2e9}, {"metric": "macs", "upper": 1e9}]},
        "/constraints",
        "contradict",
    ),
    ({"constraints": [{"metric": "macs_", "upper": 1}]}, "/constraints/0", "unknown metric"),
    ({"budget": {"evaluations": 0}}, "/budget/evaluations", "greater than or equal to 1"),
    ({"budget": {"parallel": 0}}, "/budget/parallel", "greater than or equal to 1"),
    ({"strategy": "nsga"}, "/strategy", "nsga2"),
    ({"strategy": "nsga2", "options": {"size": 3}}, "/options", "size"),
    ({"baselines": ["fpnn"]}, "/baselines/0", "fpn"),
    ({"devices": [{"kind": "onnxruntime_gpu"}]}, "/devices/0/kind", "onnxruntime_cpu"),
    ({"budget": {"evaluations": 10**6}}, "/budget/evaluations", "at most"),
    ({"supernet_id": "01977b6e-3f60-7cc3-9d6c-5f9a3b1c2d4e"}, "/supernet_id", "no such supernet"),
]


@pytest.mark.parametrize("place", ["searches", "searches:validate"])
@pytest.mark.parametrize(
    ("change", "pointer", "words"), FAULTS, ids=[fault[1] + fault[2] for fault in FAULTS]
)
def test_a_wrong_search_is_refused_with_a_pointer(
    http: TestClient, scene: Scene, place: str, change: dict[str, object], pointer: str, words: str
) -> None:
    body = {"supernet_id": scene.supernet, "objectives": ["ap", "macs"], **change}
    answer = http.post(f"{API}/{place}", json=body)
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["pointer"] == pointer and words in fault["detail"]


def test_a_failed_supernet_cannot_be_searched(store: Store, http: TestClient) -> None:
    made = make_search(store)
    end(store, "dataset")
    end(store, "train", State.FAILED)
    answer = http.post(f"{API}/searches", json={"supernet_id": made.supernet, "objectives": ["ap", "macs"]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/supernet_id")


def test_validation_queues_nothing_and_knows_the_space(http: TestClient, scene: Scene) -> None:
    from search_space.space import Space

    before = len(http.get(f"{API}/searches").json()["items"])
    answer = http.post(
        f"{API}/searches:validate", json={"supernet_id": scene.supernet, "objectives": ["ap", "macs"]}
    )
    assert answer.status_code == 200
    assert answer.json()["space_size"] == str(Space.load(SPACE).size())
    assert len(http.get(f"{API}/searches").json()["items"]) == before


def test_an_estimate_follows_what_was_measured(store: Store, http: TestClient, scene: Scene) -> None:
    lease = hold(store)
    with store.database.write() as tx:
        result = {"evaluation_s": 0.5, "overhead_s": 4.0}
        jobs.end(tx, lease, State.SUCCEEDED, result=result)
    body = {"supernet_id": scene.supernet, "objectives": ["ap", "macs"], "budget": {"evaluations": 96}}
    estimate = http.post(f"{API}/searches:validate", json=body).json()["estimate"]
    assert estimate["searching_s"] == pytest.approx(4.0 + 100 * 0.5)
    assert estimate["total_s"] == estimate["searching_s"]


def test_an_estimate_counts_what_is_left_to_train_and_to_calibrate(store: Store, http: TestClient) -> None:
    made = make_search(store, spec={})
    end(store, "dataset")
    lease = hold(store, "train")
    with store.database.write() as tx:
        jobs.end(tx, lease, State.SUCCEEDED, result={"step_s": 0.25})
        training = training_in_progress(tx, made.dataset, steps=100, done=40)
    body = {"supernet_id": training, "objectives": ["ap", "latency_ms"], "devices": [{"kind": "torch_cpu"}]}
    estimate = http.post(f"{API}/searches:validate", json=body).json()["estimate"]
    assert estimate["training_s"] == pytest.approx(60 * 0.25)
    assert estimate["calibration_s"] is None and estimate["total_s"] is None
    search = http.post(f"{API}/searches", json=body).json()
    with store.database.write() as tx:
        devices.finish_predictor(tx, search["predictor_id"], revision="r", document="{}", summary={})
    estimate = http.post(f"{API}/searches:validate", json=body).json()["estimate"]
    assert estimate["calibration_s"] == 0.0, "the device is known by its kind, and calibrated"


def training_in_progress(tx: Connection, dataset: str, *, steps: int, done: int) -> str:
    identifier = new_id()
    jobs.enqueue(tx, jobs.NewJob(identifier, "train", "ada", {}))
    record = Supernet(identifier, "ada", "s", dataset, {"space": SPACE, "steps": steps}, None, 0.0)
    supernets.add(tx, record)
    job = jobs.claim(tx, worker="w", kinds=("train",), lease_s=60)
    assert job is not None and job.id == identifier
    jobs.progress(tx, jobs.start(tx, job.lease).lease, {"step": done, "total": steps})
    return identifier


def test_moves_answer_202_or_409_with_the_state(http: TestClient, scene: Scene) -> None:
    place = f"{API}/searches/{scene.search}"
    assert http.post(f"{place}:pause").json()["state"] == "PAUSED"
    refused = http.post(f"{place}:pause")
    assert refused.status_code == 409 and "PAUSED" in refused.json()["detail"]
    assert http.post(f"{place}:resume").status_code == 202
    assert http.post(f"{place}:cancel").json()["state"] == "CANCELLED"
    assert http.post(f"{place}:resume").status_code == 409


def test_searches_are_filtered_and_ordered(store: Store, http: TestClient) -> None:
    first, second = make_search(store), make_search(store)
    http.post(f"{API}/searches/{first.search}:pause")
    paused = http.get(f"{API}/searches", params={"state": "PAUSED"}).json()["items"]
    oldest = http.get(f"{API}/searches", params={"order_by": "created_at"}).json()["items"]
    assert [entry["id"] for entry in paused] == [first.search]
    assert [entry["id"] for entry in oldest] == [first.search, second.search]
    assert http.get(f"{API}/searches", params={"label": "nothing"}).json()["items"] == []


def test_events_are_read_from_a_number_on(http: TestClient, scene: Scene) -> None:
    place = f"{API}/searches/{scene.search}"
    http.post(f"{place}:pause")
    everything = http.get(f"{place}/events").json()
    assert [event["number"] for event in everything["items"]] == [1, 2] and not everything["ended"]
    later = http.get(f"{place}/events", params={"after": 1}).json()
    assert [event["payload"]["state"] for event in later["items"]] == ["PAUSED"]
    assert http.get(f"{place}/events", params={"after": 2}).json()["items"] == []


def test_a_stream_resumes_behind_the_last_event_and_ends_with_the_search(
    http: TestClient, scene: Scene
) -> None:
    place = f"{API}/searches/{scene.search}"
    http.post(f"{place}:pause")
    http.post(f"{place}:cancel")
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
    with http.stream("GET", f"{place}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line.startswith(("id:", "event:"))]
    assert lines == ["id: 2", "event: state", "id: 3", "event: state", "id: 3", "event: end"]


def test_subnets_are_listed_and_filtered(http: TestClient, scene: Scene) -> None:
    place = f"{API}/searches/{scene.search}/subnets"

    def numbers(**query: object) -> list[int]:
        return [entry["number"] for entry in http.get(place, params=query).json()["items"]]

    assert numbers() == [1, 2, 3, 4, 5]
    assert numbers(on_front=True) == [1, 2, 4, 5] and numbers(on_front=False) == [3]
    assert numbers(bound="latency_ms<=2.5") == [1, 3, 5]
    assert numbers(bound=["latency_ms<=2.5", "ap>=0.45"]) == [1]
    assert numbers(feasible=False) == []
    assert http.get(place, params={"bound": "latency_ms=3"}).status_code == 422


def test_filtered_subnets_are_paged_too(http: TestClient, scene: Scene) -> None:
    place, query = f"{API}/searches/{scene.search}/subnets", {"on_front": True, "page_size": 3}
    first = http.get(place, params=query).json()
    second = http.get(place, params=query | {"page_token": first["next_page_token"]}).json()
    assert [entry["number"] for entry in first["items"] + second["items"]] == [1, 2, 4, 5]
    assert second["next_page_token"] is None


def test_a_subnet_shows_its_graph_and_every_score_with_its_source(
    store: Store, http: TestClient, scene: Scene
) -> None:
    subnet = http.get(f"{API}/searches/{scene.search}/subnets").json()["items"][0]["id"]
    later = {"metric": "ap", "value": 0.65, "unit": "1", "source": "fine-tuned", "stderr": None}
    with store.database.write() as tx:
        evaluations.add_score(tx, subnet, later)
    view = http.get(f"{API}/subnets/{subnet}").json()
    assert [(score["metric"], score["source"]) for score in view["scores"]] == [
        ("ap", "measured"),
        ("latency_ms", "measured"),
        ("ap", "fine-tuned"),
    ]
    assert http.get(f"{API}/subnets/{subnet}/graph.json").json() == view["architecture"]


def test_up_to_eight_subnets_are_compared(http: TestClient, scene: Scene) -> None:
    ids = [entry["id"] for entry in http.get(f"{API}/searches/{scene.search}/subnets").json()["items"]]
    found = http.get(f"{API}/compare", params={"subnet_ids": ",".join(ids[::-1])}).json()
    assert [entry["id"] for entry in found["items"]] == ids[::-1]
    many = ",".join(f"{index}" for index in range(9))
    assert http.get(f"{API}/compare", params={"subnet_ids": many}).status_code == 422


def test_the_front_has_its_hypervolume_with_a_reference_point(http: TestClient, scene: Scene) -> None:
    front = http.get(f"{API}/searches/{scene.search}/pareto").json()
    assert [point["number"] for point in front["points"]] == [4, 2, 1, 5]
    assert [point["number"] for point in front["neighbours"]] == [3]
    bounded = http.get(
        f"{API}/searches/{scene.search}/pareto", params={"constraints": "latency_ms<=3,ap>=0.3"}
    )
    found = bounded.json()
    assert [point["number"] for point in found["points"]] == [2, 1]
    # the staircase below 3 ms and above 0.3: (0.5 - 0.3) x (3 - 2), and nothing at 3 ms itself
    assert found["reference"] == [0.3, 3.0] and found["hypervolume"] == pytest.approx(0.2)


def test_the_front_takes_other_objectives(http: TestClient, scene: Scene) -> None:
    place = f"{API}/searches/{scene.search}/pareto"
    best = http.get(place, params={"objectives": "ap"}).json()
    assert [point["number"] for point in best["points"]] == [4]
    for wrong in ("speed", "", "ap,ap", "ap,ap50,macs,parameters,val_loss"):
        assert http.get(place, params={"objectives": wrong}).status_code == 422


def test_when_nothing_is_feasible_the_nearest_are_shown(http: TestClient, scene: Scene) -> None:
    front = http.get(
        f"{API}/searches/{scene.search}/pareto", params={"constraints": "latency_ms<=0.5"}
    ).json()
    assert front["points"] == [] and [point["number"] for point in front["nearest"]][:2] == [5, 1]
    assert front["nearest"][0]["violation"] == pytest.approx(1.0)


def test_the_front_comes_as_csv(http: TestClient, scene: Scene) -> None:
    answer = http.get(f"{API}/searches/{scene.search}/pareto", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert {"ap", "ap_source", "latency_ms_stderr"} <= rows[0].keys() and len(rows) == 5


@pytest.fixture
def artifact(store: Store, scene: Scene, tmp_path: Path) -> str:
    with store.database.read() as tx:
        subnet = evaluations.history(tx, scene.search)[0].id
    return make_artifact(store, subnet, CONTENT, tmp_path)


def test_the_same_artifact_is_made_once(http: TestClient, scene: Scene) -> None:
    subnet = http.get(f"{API}/searches/{scene.search}/subnets").json()["items"][0]["id"]
    place = f"{API}/subnets/{subnet}/artifacts"
    first, second = (http.post(place, json={"format": "onnx"}) for _ in range(2))
    other = http.post(place, json={"format": "source"})
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"] != other.json()["id"]
    assert http.get(f"{API}/artifacts/{first.json()['id']}/content").status_code == 409
    assert http.post(place, json={"format": "pickle"}).status_code == 422


def test_a_failed_artifact_may_be_asked_for_again(store: Store, http: TestClient, scene: Scene) -> None:
    subnet = http.get(f"{API}/searches/{scene.search}/subnets").json()["items"][0]["id"]
    first = http.post(f"{API}/subnets/{subnet}/artifacts", json={"format": "onnx"}).json()
    end(store, "artifact", State.FAILED)
    again = http.post(f"{API}/subnets/{subnet}/artifacts", json={"format": "onnx"}).json()
    assert again["state"] == "QUEUED" and again["id"] != first["id"]
    with store.database.read() as tx:
        assert artifacts.get(tx, first["id"]) is None


def test_a_download_says_what_it_is(http: TestClient, artifact: str) -> None:
    place = f"{API}/artifacts/{artifact}/content"
    whole, head = http.get(place), http.head(place)
    assert whole.content == CONTENT and head.content == b""
    for answer in (whole, head):
        assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert answer.headers["content-disposition"] == 'attachment; filename="neck.zip"'
        assert answer.headers["accept-ranges"] == "bytes"


SIZE = len(CONTENT)
RANGES = [
    ("bytes=0-9", 206, 0, 10),
    ("bytes=100-", 206, 100, SIZE),
    ("bytes=-7", 206, SIZE - 7, SIZE),
    (f"bytes=5-{SIZE * 2}", 206, 5, SIZE),
    (f"bytes=-{SIZE * 2}", 206, 0, SIZE),
    ("bytes=0-0,5-6", 200, 0, SIZE),
    ("bytes=9-3", 200, 0, SIZE),
    ("bytes=x-y", 200, 0, SIZE),
    ("lines=0-9", 200, 0, SIZE),
    ("bytes=-", 200, 0, SIZE),
]


@pytest.mark.parametrize(("header", "status", "start", "stop"), RANGES)
def test_one_range_is_served_and_others_get_everything(
    http: TestClient, artifact: str, header: str, status: int, start: int, stop: int
) -> None:
    answer = http.get(f"{API}/artifacts/{artifact}/content", headers={"Range": header})
    assert (answer.status_code, answer.content) == (status, CONTENT[start:stop])
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE * 9}-{SIZE * 10}", "bytes=-0"])
def test_a_range_behind_the_end_is_416(http: TestClient, artifact: str, header: str) -> None:
    answer = http.get(f"{API}/artifacts/{artifact}/content", headers={"Range": header})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert answer.headers["content-type"] == "application/problem+json"


def test_ranges_and_answers_depend_on_the_etag(http: TestClient, artifact: str) -> None:
    place = f"{API}/artifacts/{artifact}/content"
    etag = http.head(place).headers["etag"]
    assert http.get(place, headers={"Range": "bytes=1-2", "If-Range": etag}).status_code == 206
    assert http.get(place, headers={"Range": "bytes=1-2", "If-Range": '"other"'}).status_code == 200
    assert http.get(place, headers={"If-None-Match": etag}).status_code == 304
    assert http.get(place, headers={"If-None-Match": "*"}).status_code == 304
    assert http.get(place, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_document_links_what_is_made_to_what_may_follow(http: TestClient) -> None:
    document = http.get(f"{API}/openapi.json").json()
    operations = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert document["openapi"].startswith("3.1")
    for operation in operations.values():
        for response in operation["responses"].values():
            for target in response.get("links", {}).values():
                assert target["operationId"] in operations
    assert "get_pareto" in operations["post_search"]["responses"]["201"]["links"]
    assert json.dumps(document).count("/components/schemas/Problem") > 100
