"""A search whose validation features do not fit the memory: candidates on a part of the images, the front on
all. Real trainings and real scores, on both databases.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from sqlalchemy import update

from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture
from service import rescoring, trained
from service.client_records import Front
from service.settings import Settings
from service.store import Store
from service.stores import evaluations, events
from service.tables import jobs as table
from service.worker import LANES, Worker
from supernet.backbone import Backbone, BackboneSpec
from supernet.training.features import feature_bytes

API = "/api/v1"
KINDS = tuple(kind for kinds in LANES.values() for kind in kinds)
SPACE = {"space": "fusion_grid", "widths": [8, 12], "stages": [1], "paths": ["top_down", "bottom_up"]}
PART, ALL = 3, 6
"""Validation images that fit, and that there are."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with memory for the features of `PART` images."""
    torch.set_num_threads(1)
    an_image = 2 * feature_bytes(Backbone(BackboneSpec(), (3, 4, 5)), (96, 96), 1)
    changes = {"feature_limit_bytes": PART * an_image, "train_threads": 1, "log_level": "error"}
    return settings.model_copy(update=changes)


def worker(store: Store) -> Worker:
    return Worker(store, name="w")


def work(store: Store) -> None:
    """Do everything that is queued."""
    while worker(store).run_one(KINDS):
        pass


@pytest.fixture
def search(store: Store, http: TestClient) -> str:
    """A search in a trained supernet, queued."""
    options = {"train": 16, "val": ALL, "image_size": 96, "seed": 1}
    dataset = http.post(f"{API}/datasets", json={"builtin": "digits", "name": "d", "options": options}).json()
    spec = {"dataset_id": dataset["id"], "space": SPACE, "steps": 4, "batch_size": 8}
    supernet = http.post(f"{API}/supernets", json=spec).json()
    wanted = {"supernet_id": supernet["id"], "objectives": ["ap", "val_loss", "macs"], "baselines": ["fpn"]}
    work(store)
    made = http.post(f"{API}/searches", json=wanted | {"budget": {"evaluations": 4}, "strategy": "random"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


class Crash(BaseException):
    """What a dying process looks like from inside: nothing runs after it."""


def crashing(count: int) -> Callable[..., None]:
    """Return what stands for `_Pace.count` and dies at that call."""
    honest = rescoring._Pace.count
    calls = 0

    def die(self: Any, images: int) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            raise Crash
        honest(self, images)

    return die


def verified(store: Store, search_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the stored scores on all images by architecture."""
    with store.database.read() as tx:
        keys = {entry.id: entry.key for entry in evaluations.history(tx, search_id)}
        later = evaluations.scores_after(tx, list(keys))
    found = {keys[i]: [s for s in scores if s["source"] == "verified"] for i, scores in later.items()}
    return {key: scores for key, scores in found.items() if scores}


def killed_while_verifying(store: Store, search_id: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a worker die in its second neck on all images, give its lease up, and return what it stored."""
    monkeypatch.setattr(rescoring, "TOGETHER", 1)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(rescoring._Pace, "count", crashing(2))
        worker(store).run_one(KINDS)
    done = list(verified(store, search_id))
    with store.database.write() as tx:
        tx.execute(update(table).where(table.c.id == search_id).values(leased_until=0.0))
    assert worker(store).sweep() == 1
    return done


def test_the_front_is_scored_on_all_images_once_whoever_dies(
    store: Store, http: TestClient, search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = killed_while_verifying(store, search, monkeypatch)
    assert len(before) == 1
    with store.database.read() as tx:
        searched = len(evaluations.history(tx, search))
    scored: list[str] = []
    together = rescoring._together

    def watched(scorer: Any, necks: Any, pace: Any) -> Any:
        scored.extend(neck.key for neck in necks)
        return together(scorer, necks, pace)

    monkeypatch.setattr(rescoring, "_together", watched)
    work(store)
    ended = http.get(f"{API}/searches/{search}").json()
    assert ended["state"] == "SUCCEEDED", ended["error"]
    assert ended["evaluated"] == searched, "nothing is searched again"
    found = verified(store, search)
    assert set(scored).isdisjoint(before) and set(found) == {*scored, *before}
    assert len(scored) == len(set(scored)), "no neck is scored on all images twice"
    metrics = [score["metric"] for scores in found.values() for score in scores]
    assert len(metrics) == len(set(metrics)) * len(found)
    assert ended["result"]["validation"] == {"images": PART, "of_images": ALL, "verified": len(found)}
    with store.database.read() as tx:
        notices = [e.payload["notice"] for e in events.after(tx, search, 0) if e.kind == "notice"]
    assert f"Scoring {len(scored)} necks of the front again, on all 6 validation images" in notices

    require_true(store, http, search, found)
    require_front(http, search, found)


def require_true(store: Store, http: TestClient, search: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Every score is that of an evaluator with memory for all images, and of none that has less."""
    supernet = http.get(f"{API}/searches/{search}").json()["supernet_id"]
    dataset = http.get(f"{API}/supernets/{supernet}").json()["dataset_id"]
    folder = store.settings.data / "work" / "datasets" / dataset
    with store.database.read() as tx:
        from service.stores import datasets

        known = datasets.get(tx, dataset)
        assert known is not None
        folder = known.folder
        documents = evaluations.architectures_of(tx, list(found))
        stored = {entry.key: json.loads(entry.scores) for entry in evaluations.history(tx, search)}
    evaluator = AccuracyEvaluator(trained.fetch(store, supernet), folder)
    assert evaluator.validation.images == ALL
    for key, scores in found.items():
        every = evaluator.score(Architecture.from_json(documents[key]))
        assert {s["metric"]: s["value"] for s in scores} == {s.metric: s.value for s in every}
        assert {s["metric"]: s["stderr"] for s in scores} == {s.metric: s.stderr for s in every}
        assert {(s["images"], s["of_images"]) for s in scores} == {(ALL, ALL)}
        part = [score for score in stored[key] if score["source"] == "inherited"]
        assert part and {(s["images"], s["of_images"]) for s in part} == {(PART, ALL)}


def require_front(http: TestClient, search: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """The front is that of the scores on all images, and both are shown wherever scores are."""
    keys = {item["id"]: item["key"] for item in http.get(f"{API}/searches/{search}/subnets").json()["items"]}
    record = http.get(f"{API}/searches/{search}/pareto").json()
    losses = {
        key: next(s["value"] for s in scores if s["metric"] == "val_loss") for key, scores in found.items()
    }
    points = [*record["points"], *record["baselines"]]
    assert record["points"] and {keys[point["id"]] for point in points} <= set(found)
    least = min(losses, key=lambda key: losses[key])
    assert least in {keys[point["id"]] for point in record["points"]}
    front = Front.of(record)
    best = front.best("val_loss", larger=False)
    assert best is not None and keys[best.id] == least and best.known("val_loss") == losses[least]
    assert best.value("val_loss") == best.value("val_loss", "inherited") != losses[least]
    answer = http.get(f"{API}/searches/{search}/pareto", headers={"Accept": "text/csv"})
    row = next(row for row in csv.DictReader(io.StringIO(answer.text)) if row["id"] == best.id)
    assert float(row["val_loss_verified"]) == losses[least] != float(row["val_loss"])
    document = http.get(f"{API}/searches/{search}/front").json()
    assert {key: found[key] for key in document["verified"]} == document["verified"]
    member = next(entry for entry in document["members"] if entry["key"] == least)
    sources = [score["source"] for score in member["scores"] if score["metric"] == "val_loss"]
    assert sources == ["verified", "inherited"]
    page = http.get(f"/subnets/{best.id}").text
    assert "3 of 6 validation images" in page and "all 6 validation images" in page
    assert (
        f"3 of 6 validation images; {len(found)} necks on all of them" in http.get(f"/searches/{search}").text
    )
    data = http.get(f"/searches/{search}/pareto/points").json()
    assert data["verified"] and data["partial"] == {"images": 3, "of_images": 6}
    index = data["points"]["id"].index(best.id)
    assert data["points"]["scores"][index]["val_loss"][2::3] == ["verified", "inherited"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_trained_later_is_scored_on_all_images(store: Store, http: TestClient, search: str) -> None:
    work(store)
    subnet = http.get(f"{API}/searches/{search}/pareto").json()["points"][0]["id"]
    asked = http.post(f"{API}/subnets/{subnet}:finetune", json={"steps": 2})
    supernet = http.get(f"{API}/searches/{search}").json()["supernet_id"]
    few = {"architectures": 4, "seeds": 1, "truth_steps": 1, "adaptation_steps": 1}
    ranking = http.post(f"{API}/supernets/{supernet}:rank", json=few)
    work(store)
    tuned = http.get(asked.headers["Location"]).json()
    assert tuned["state"] == "SUCCEEDED", tuned["error"]
    assert {(s["images"], s["of_images"]) for s in (*tuned["before"], *tuned["after"])} == {(ALL, ALL)}
    ranked = http.get(ranking.headers["Location"]).json()
    assert ranked["state"] == "SUCCEEDED", ranked["error"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_all_features_fit_nothing_is_scored_again(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(AccuracyEvaluator, "whole", property(lambda _: pytest.fail("scored again")))
    monkeypatch.setitem(settings.__dict__, "feature_limit_bytes", Settings().feature_limit_bytes)
    store, http = request.getfixturevalue("store"), request.getfixturevalue("http")
    search = request.getfixturevalue("search")
    work(store)
    ended = http.get(f"{API}/searches/{search}").json()
    assert ended["state"] == "SUCCEEDED", ended["error"]
    assert ended["result"]["validation"] == {"images": ALL, "of_images": ALL, "verified": 0}
    assert verified(store, search) == {}
    points = http.get(f"{API}/searches/{search}/pareto").json()["points"]
    assert {(s["images"], s["of_images"]) for p in points for s in p["scores"] if s["metric"] == "ap"} == {
        (6, 6)
    }
    assert f"Scored on</dt><dd>{ALL} validation images</dd>" in http.get(f"/searches/{search}").text
