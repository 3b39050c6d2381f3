"""Agents over HTTP: the real agent measures real models, and fake ones misbehave, on both databases."""

from __future__ import annotations

import argparse
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from evaluators import agent as client
from evaluators.devices.remote import Remote
from evaluators.latency.errors import LatencyError
from evaluators.latency.measuring import finished, measure
from evaluators.latency.session import Protocol
from search_space.reference import build
from service.database import read_clock
from service.identifiers import new_id
from service.records import Device
from service.remote_devices import open_device
from service.store import Store
from service.stores import agents, devices, jobs
from service.tables import batches
from tests.unit.evaluators.latency.fake_agent import Fault, description, times

CHANNELS = {3: 8, 4: 8, 5: 8}


@pytest.fixture
def device(store: Store) -> Device:
    """A remote device of the caller's."""
    with store.database.write() as tx:
        made = Device(new_id(), "ada", "board", "remote", {"threads": 1, "batch": 1}, read_clock(tx))
        devices.add(tx, made)
    return made


@pytest.fixture
def job(store: Store) -> str:
    """A job that batches belong to."""
    identifier = new_id()
    with store.database.write() as tx:
        jobs.enqueue(tx, jobs.NewJob(identifier, "calibrate", "ada", {}))
    return identifier


def enrolled(http: TestClient, device: Device) -> dict[str, str]:
    """Return the headers of a new agent."""
    token = http.post(f"/api/v1/devices/{device.id}/agents").json()["token"]
    answer = http.post("/api/v1/agents/enrol", json={"token": token, "description": description()})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['secret']}"}


def queue(store: Store, device: Device, job: str) -> str:
    """Queue a batch of one neck and return its id."""
    remote = open_device(store, device, job)
    assert isinstance(remote, Remote)
    neck = build("fpn", CHANNELS, width=8)
    events = remote.measure([neck], image_size=(64, 64), batch=1, protocol=Protocol(visits=4, most_visits=4))
    next(events), next(events)  # the neck is prepared; the batch waits
    with store.database.read() as tx:
        return str(tx.execute(batches.select().order_by(batches.c.created_at.desc())).first().id)  # type: ignore[union-attr]


def take(http: TestClient, headers: dict[str, str], wait_s: float = 0) -> Any:
    return http.post(
        "/api/v1/agents/lease", json={"wait_s": wait_s, "description": description()}, headers=headers
    )


def give(
    http: TestClient, headers: dict[str, str], lease: dict[str, Any], fault: Fault = "none", **more: Any
) -> Any:
    body = {"batch": lease["batch"], "epoch": lease["epoch"], "description": description()}
    body |= times(lease["request"], fault) | more
    return http.post("/api/v1/agents/result", json=body, headers=headers)


def test_a_token_is_good_once(http: TestClient, device: Device) -> None:
    made = http.post(f"/api/v1/devices/{device.id}/agents").json()
    assert made["command"].startswith("neckline agent http") and made["token"] in made["command"]
    body = {"token": made["token"], "description": description()}
    assert http.post("/api/v1/agents/enrol", json=body).status_code == 201
    again = http.post("/api/v1/agents/enrol", json=body)
    assert again.status_code == 401 and "has been used" in again.json()["detail"]
    never = http.post("/api/v1/agents/enrol", json={**body, "token": "made up"})
    assert never.status_code == 401 and "never given out" in never.json()["detail"]


def test_only_remote_devices_of_the_caller_have_agents(http: TestClient, store: Store) -> None:
    assert http.post(f"/api/v1/devices/{new_id()}/agents").status_code == 404
    with store.database.write() as tx:
        local = Device(new_id(), "ada", "here", "torch_cpu", {"threads": 1, "batch": 1}, read_clock(tx))
        devices.add(tx, local)
    assert http.post(f"/api/v1/devices/{local.id}/agents").status_code == 422


def test_agents_are_let_in_by_their_secret_only(http: TestClient, device: Device) -> None:
    headers = enrolled(http, device)
    assert take(http, headers).status_code == 204
    assert take(http, {"Authorization": "Bearer wrong"}).status_code == 401
    assert take(http, {}).status_code == 401  # an admin's key is no agent's secret
    assert http.get("/api/v1/devices", headers=headers).status_code == 401


def test_blobs_are_only_for_those_who_hold_them(
    http: TestClient, store: Store, device: Device, job: str
) -> None:
    headers = enrolled(http, device)
    queue(store, device, job)
    lease = take(http, headers).json()
    name = lease["request"]["models"][0]["sha256"]
    content = http.get(f"/api/v1/agents/blobs/{name}", headers=headers).content
    assert sha256(content).hexdigest() == name
    assert http.get(f"/api/v1/agents/blobs/{'0' * 64}", headers=headers).status_code == 404
    other = {**enrolled(http, _another(store)), "accept": "*/*"}
    assert http.get(f"/api/v1/agents/blobs/{name}", headers=other).status_code == 404


def _another(store: Store) -> Device:
    with store.database.write() as tx:
        made = Device(new_id(), "ada", "other", "remote", {"threads": 1, "batch": 1}, read_clock(tx))
        devices.add(tx, made)
    return made


def test_an_agent_that_dies_loses_its_batch_to_the_next(
    http: TestClient, store: Store, device: Device, job: str
) -> None:
    first, second = enrolled(http, device), enrolled(http, device)
    batch = queue(store, device, job)
    lost = take(http, first).json()
    assert take(http, second).status_code == 204
    with store.database.write() as tx:
        late = read_clock(tx) - 1
        tx.execute(update(batches).where(batches.c.id == batch).values(leased_until=late))
    expired = give(http, first, lost)
    assert expired.status_code == 409 and "ran out" in expired.json()["detail"]
    taken = take(http, second).json()
    assert taken["batch"] == batch and taken["epoch"] == lost["epoch"] + 1
    refused = give(http, first, lost)
    assert refused.status_code == 409 and "no longer" in refused.json()["detail"]
    assert give(http, second, taken).json() == {"used": True, "problem": None}
    assert give(http, second, taken).status_code == 409


@pytest.mark.parametrize("fault", ["timeout", "missing", "hash"])
def test_a_faulty_result_opens_the_batch_again_and_at_last_fails_it(
    http: TestClient, store: Store, device: Device, job: str, fault: Fault
) -> None:
    batch = queue_with(http, store, device, job)
    for _ in range(3):
        headers = enrolled(http, device)
        lease = take(http, headers).json()
        answer = give(http, headers, lease, fault).json()
        assert not answer["used"] and answer["problem"]
    with store.database.read() as tx:
        found = agents.batch(tx, batch)
    assert found is not None and found.state == "failed"


def queue_with(http: TestClient, store: Store, device: Device, job: str) -> str:
    enrolled(http, device)
    return queue(store, device, job)


def test_a_fallback_to_another_provider_is_caught(
    http: TestClient, store: Store, device: Device, job: str
) -> None:
    headers = enrolled(http, device)
    queue(store, device, job)
    lease = take(http, headers).json()
    answer = give(http, headers, lease, providers=["OtherExecutionProvider"]).json()
    assert not answer["used"] and "ran on OtherExecutionProvider" in answer["problem"]


def test_an_agent_that_drifts_is_set_aside(http: TestClient, store: Store, device: Device, job: str) -> None:
    headers = enrolled(http, device)
    queue(store, device, job)
    assert give(http, headers, take(http, headers).json()).json()["used"]
    for _ in range(3):
        queue(store, device, job)
        answer = give(http, headers, take(http, headers).json(), "drift").json()
        assert not answer["used"] and "sentinel 2 moved" in answer["problem"]
    refused = take(http, headers)
    assert refused.status_code == 403 and "set aside" in refused.json()["detail"]


def test_a_waiting_agent_gets_work_that_comes(
    http: TestClient, store: Store, device: Device, job: str
) -> None:
    headers = enrolled(http, device)
    later = threading.Timer(0.2, queue, (store, device, job))
    later.start()
    answer = take(http, headers, wait_s=20)
    later.join()
    assert answer.status_code == 200


class OverTestClient(client.Service):
    """The agent's HTTP over the test client."""

    def __init__(self, http: TestClient) -> None:
        super().__init__("http://localhost", pause=lambda _: None)
        self._http = http

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        answer = self._http.request(method, path, content=body, headers=headers)
        if answer.status_code >= 400:
            raise client.Refused(answer.text)
        return answer.content


def test_the_real_agent_measures_real_models(
    http: TestClient, store: Store, device: Device, job: str, tmp_path: Path
) -> None:
    token = http.post(f"/api/v1/devices/{device.id}/agents").json()["token"]
    agent = client.Agent(OverTestClient(http), tmp_path / "agent.json", "CPUExecutionProvider")
    agent.enrol(token)
    assert (tmp_path / "agent.json").stat().st_mode & 0o777 == 0o600
    remote = open_device(store, device, job)
    necks = [build("fpn", CHANNELS, width=width) for width in (8, 16)]
    protocol = Protocol(visits=4, most_visits=4)
    worker = threading.Thread(
        target=client.serve, args=(agent, argparse.Namespace(token=None, wait=20, once=True))
    )
    worker.start()
    session = finished(measure(remote, necks, image_size=(64, 64), protocol=protocol))
    worker.join()
    assert len(session.measured) == 2 and len(session.sentinels) == 3
    assert all(entry.latency_ms > 0 for entry in session.measured)
    assert session.fingerprint == remote.fingerprint((64, 64))


def test_a_failed_batch_is_an_error_that_says_why(
    http: TestClient, store: Store, device: Device, job: str
) -> None:
    enrolled(http, device)
    remote = open_device(store, device, job)

    def misbehave() -> None:
        for _ in range(3):
            headers = enrolled(http, device)
            give(http, headers, take(http, headers, wait_s=20).json(), "timeout")

    worker = threading.Thread(target=misbehave)
    worker.start()
    with pytest.raises(LatencyError, match="Timeout"):
        neck = build("fpn", CHANNELS, width=8)
        finished(measure(remote, [neck], image_size=(64, 64), protocol=Protocol(visits=4, most_visits=4)))
    worker.join()
