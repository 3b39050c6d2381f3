"""A supernet's ranking estimate: made by a job, row by row, returned with the supernet and its searches."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from evaluators.ranking import Ranked, RankingSpec
from service.app import create_app
from service.cli import app as cli
from service.client import Client
from service.commands import supernets as command
from service.errors import StopRequested
from service.jobs import rank as runner
from service.store import Store
from service.stores import jobs, rankings
from service.worker import Worker

from .scenes import Scene, end, make_search
from .test_client import Stumbling

API = "/api/v1"
OPTIONS = {"architectures": 4, "seeds": 2, "truth_steps": 2, "adaptation_steps": 1}
SPACE = {"space": "fusion_grid", "widths": [8, 12], "stages": [1]}


def rows(_: object, spec: RankingSpec, done: Collection[str] = ()) -> Iterator[Ranked]:
    """Rows whose adapted scores order like the truth, those of inherited weights the other way round."""
    for index in range(spec.architectures):
        if str(index) not in done:
            truth = 0.1 * index, 0.1 * index + 0.01
            yield Ranked(str(index), truth, 100 - index, 7, float(-index), float(index))


@pytest.fixture
def scene(store: Store, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A trained supernet and a search; what is measured is made up."""
    found = make_search(store)
    for kind in ("dataset", "train"):
        end(store, kind)
    monkeypatch.setattr(runner, "rank", rows)
    monkeypatch.setattr(runner, "_evaluator", lambda _: None)
    return found


def worker(store: Store) -> Worker:
    return Worker(store, name="w", lanes={})


def test_the_latest_estimate_comes_with_the_supernet_and_with_every_search(
    http: TestClient, store: Store, scene: Scene
) -> None:
    places = [f"{API}/supernets/{scene.supernet}", f"{API}/searches/{scene.search}"]
    assert [http.get(place).json()["ranking"] for place in places] == [None, None]
    answer = http.post(f"{places[0]}:rank", json={**OPTIONS, "architectures": 8})
    assert answer.status_code == 202 and answer.json()["estimate"] is None
    assert worker(store).run_one(("rank",))
    made = http.get(answer.headers["Location"]).json()
    assert made["state"] == "SUCCEEDED" and made["progress"]["step"] == 8
    found = made["estimate"]
    assert found["adapted"]["tau"]["value"] == pytest.approx(1) and found["adapted"]["regret"] == 0
    assert found["inherited"]["tau"]["value"] == pytest.approx(-1) and found["macs"]["value"] is None
    for place in places:
        assert http.get(place).json()["ranking"] == found
    (listed,) = http.get(f"{API}/searches").json()["items"]
    assert listed["ranking"] == found


def test_a_later_attempt_goes_on_behind_what_was_measured(
    http: TestClient, store: Store, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Collection[str]] = []

    def interrupted(evaluator: object, spec: RankingSpec, done: Collection[str] = ()) -> Iterator[Ranked]:
        asked.append(set(done))
        for index, row in enumerate(rows(evaluator, spec, done)):
            if index == 2 and len(asked) == 1:
                raise StopRequested("the worker ends")
            yield row

    monkeypatch.setattr(runner, "rank", interrupted)
    identifier = http.post(f"{API}/supernets/{scene.supernet}:rank", json=OPTIONS).json()["id"]
    assert worker(store).run_one(("rank",))
    assert http.get(f"{API}/rankings/{identifier}").json()["progress"]["step"] == 2
    assert worker(store).run_one(("rank",))
    assert asked == [set(), {"0", "1"}]
    with store.database.read() as tx:
        kept, job = rankings.rows(tx, identifier), jobs.get(tx, identifier)
    assert [event.payload["key"] for event in kept] == ["0", "1", "2", "3"]
    assert job is not None and job.result is not None and job.result["ranking"]["architectures"] == 4


def test_what_cannot_be_ranked_is_refused(http: TestClient, scene: Scene) -> None:
    wrong = http.post(f"{API}/supernets/{scene.supernet}:rank", json={"architectures": 3})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["pointer"] == "/architectures"
    assert http.post(f"{API}/supernets/{scene.search}:rank", json={}).status_code == 404
    assert http.get(f"{API}/rankings/{scene.supernet}").status_code == 404


def test_the_command_waits_and_prints_the_estimate_beside_the_trivial_orders(
    store: Store, secret: str, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def connected(*_: object) -> Iterator[Client]:
        def work(number: int, _: object) -> None:
            if number > 1:
                worker(store).run_one(("rank",))

        with Client("http://localhost", secret, transport=Stumbling(create_app(store), work)) as client:
            yield client

    monkeypatch.setattr(command, "connected", connected)
    shown = CliRunner().invoke(cli, ["supernets", "rank", scene.supernet, "--architectures", "6"])
    assert shown.exit_code == 0, shown.output
    lines = [line for line in shown.output.splitlines() if "[info" not in line]
    assert lines[0] == "6 architectures, truth spread 0.500 AP, ceiling 1.00"
    assert lines[1].split() == ["score", "tau", "low", "high", "regret"]
    assert lines[3].split() == ["adapted", "validation", "loss", "1", "1", "1", "0"]
    assert lines[5].split() == ["macs", "alone", "-", "-", "-", "-"]
    arguments = ["supernets", "rank", scene.supernet, "--no-wait", "--json"]
    queued: dict[str, Any] = json.loads(CliRunner().invoke(cli, arguments).output.splitlines()[-1])
    assert queued["estimate"] is None and queued["spec"]["architectures"] == 12


def test_a_trained_supernet_is_really_ranked(http: TestClient, store: Store) -> None:
    digits = {"train": 12, "val": 4, "image_size": 96, "seed": 1}
    dataset = http.post(f"{API}/datasets", json={"builtin": "digits", "options": digits}).json()["id"]
    wanted = {"dataset_id": dataset, "space": SPACE, "steps": 2, "batch_size": 4, "rule": "single_path"}
    supernet = http.post(f"{API}/supernets", json=wanted).json()["id"]
    ranking = http.post(f"{API}/supernets/{supernet}:rank", json=OPTIONS).json()["id"]
    for kind in ("dataset", "train", "rank"):
        assert worker(store).run_one((kind,))
    made = http.get(f"{API}/rankings/{ranking}").json()
    assert made["state"] == "SUCCEEDED", made["error"]
    assert made["estimate"]["architectures"] == 4 and made["estimate"]["inherited"]["regret"] >= 0
    assert http.get(f"{API}/supernets/{supernet}").json()["ranking"] == made["estimate"]
