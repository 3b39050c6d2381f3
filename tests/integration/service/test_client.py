"""The client against a service that stumbles: retries, one effect a request, downloads that go on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.client import ApiError, Client, JobFailed
from service.states import State
from service.store import Store
from service.stores import datasets, jobs
from service.stores.rows import Page

from .scenes import add, end, hold, make_artifact, make_search

CONTENT = bytes(range(256)) * 4096


class Stumbling(httpx.BaseTransport):
    """The application behind a network that fails now and then."""

    def __init__(
        self, app: Any, stumble: Callable[[int, httpx.Request], httpx.Response | Exception | None]
    ) -> None:
        self._inner, self._stumble, self.seen = TestClient(app, base_url="http://localhost"), stumble, 0
        self._inner.__enter__()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += 1
        before = self._stumble(self.seen, request)
        if isinstance(before, httpx.Response):
            return before
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        answer = self._inner.request(
            request.method, str(request.url), headers=headers, content=request.read()
        )
        if isinstance(before, Exception):
            raise before
        kept = [(k, v) for k, v in answer.headers.multi_items() if k != "content-encoding"]
        return httpx.Response(answer.status_code, headers=kept, content=answer.content)

    def close(self) -> None:
        self._inner.__exit__()


@pytest.fixture
def connect(store: Store, secret: str) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(
        stumble: Callable[[int, httpx.Request], Any] = lambda *_: None, patience_s: float = 20.0
    ) -> Client:
        transport = Stumbling(create_app(store), stumble)
        made.append(Client("http://localhost", secret, patience_s=patience_s, transport=transport))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_a_lost_answer_is_asked_for_again_and_the_work_is_queued_once(
    store: Store, connect: Callable[..., Client]
) -> None:
    client = connect(lambda count, _: httpx.ReadError("connection reset") if count == 1 else None)
    dataset = client.make_digits(train=8, val=4)
    with store.database.read() as tx:
        assert [found.id for found in datasets.page(tx, "ada", Page())] == [dataset.id]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_service_is_asked_again(connect: Callable[..., Client], status: int) -> None:
    client = connect(lambda count, _: httpx.Response(status, json={}) if count < 3 else None)
    assert list(client.searches()) == []


def test_a_refusal_is_final_and_carries_the_problem(connect: Callable[..., Client]) -> None:
    client = connect()
    with pytest.raises(ApiError) as refused:
        client.make_digits(train=0)
    assert refused.value.status == 422
    assert refused.value.problem["errors"][0]["pointer"] == "/options/train"
    assert "/options/train" in str(refused.value)


def test_patience_ends(connect: Callable[..., Client]) -> None:
    client = connect(lambda *_: httpx.Response(503, json={"title": "Down"}), patience_s=0.5)
    with pytest.raises(ApiError, match="503"):
        list(client.searches())


def test_a_download_goes_on_where_it_broke_off(
    store: Store, connect: Callable[..., Client], tmp_path: Path
) -> None:
    scene = make_search(store)
    subnet = add(store, scene, [(0.5, 1.0)])[0]
    artifact = make_artifact(store, subnet, CONTENT, tmp_path)
    asked: list[str | None] = []

    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield CONTENT[:1000]
            raise httpx.ReadError("connection reset")

    def stumble(count: int, request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("/content"):
            return None
        asked.append(request.headers.get("range"))
        length = {"Content-Length": str(len(CONTENT))}
        return httpx.Response(200, headers=length, stream=Broken()) if len(asked) == 1 else None

    client = connect(stumble)
    path = client.fetch(client.get_artifact(artifact), tmp_path / "neck.zip")
    assert asked == [None, "bytes=1000-"]
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert [entry.name for entry in tmp_path.glob("*.part")] == []


def test_corrupt_bytes_are_not_kept(store: Store, connect: Callable[..., Client], tmp_path: Path) -> None:
    scene = make_search(store)
    artifact = make_artifact(store, add(store, scene, [(0.5, 1.0)])[0], CONTENT, tmp_path)
    wrong = httpx.Response(200, content=CONTENT[::-1])
    client = connect(lambda _, request: wrong if request.url.path.endswith("/content") else None)
    with pytest.raises(ApiError, match="sha256"):
        client.fetch(client.get_artifact(artifact), tmp_path / "neck.zip")
    assert not (tmp_path / "neck.zip").exists() and list(tmp_path.glob("*.part")) == []


def test_waiting_ends_with_the_job_or_with_its_failure(store: Store, connect: Callable[..., Client]) -> None:
    client, scene = connect(), make_search(store)
    end(store, "dataset")
    assert client.wait(client.dataset(scene.dataset)).state == "SUCCEEDED"
    lease = hold(store, "train")
    with store.database.write() as tx:
        jobs.end(tx, lease, State.FAILED, error={"title": "Diverged", "detail": "at step 3"})
    with pytest.raises(JobFailed, match="at step 3"):
        client.wait(client.supernet(scene.supernet))


def test_events_are_iterated_to_the_end(store: Store, connect: Callable[..., Client]) -> None:
    client, scene = connect(), make_search(store)
    client.pause(scene.search)
    client.resume(scene.search)
    client.cancel(scene.search)
    states = [event.payload["state"] for event in client.events(scene.search)]
    assert states == ["QUEUED", "PAUSED", "QUEUED", "CANCELLED"]
    assert [event.number for event in client.events(scene.search, after=2)] == [3, 4]


def test_lists_are_iterated_over_all_pages(store: Store, connect: Callable[..., Client]) -> None:
    client, scene = connect(), make_search(store)
    ids = add(store, scene, [(0.5, float(index)) for index in range(205)])
    assert [subnet.id for subnet in client.subnets(scene.search)] == ids


def test_the_best_neck_within_a_bound_counts_measured_latency_first(
    store: Store, connect: Callable[..., Client]
) -> None:
    client, scene = connect(), make_search(store)
    add(store, scene, [(0.5, 2.0), (0.6, 3.0)])
    front = client.pareto(scene.search)
    best, nothing = front.best("ap", latency_ms=2.5), front.best("ap", latency_ms=1.0)
    assert best is not None and best.value("ap") == 0.5 and nothing is None
    assert "<table>" in front._repr_html_() and "<table>" in client.get_search(scene.search)._repr_html_()
