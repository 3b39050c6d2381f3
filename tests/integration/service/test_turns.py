"""A few requests at once: the others wait for their turn, and those that wait for something take none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from service.replay import StrictRoute
from service.turns import Turns

PATIENCE_S = 20.0


class Gate:
    """An endpoint that its callers are held in."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Semaphore(0)

    def pass_through(self) -> str:
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        return "passed"


async def at_once() -> str:
    return "answered"


def set_turns(http: TestClient, turns: Turns) -> None:
    http.app.state.turns = turns  # type: ignore[attr-defined]


@pytest.fixture
def gate(http: TestClient) -> Gate:
    found = Gate()
    routes = APIRouter(route_class=StrictRoute)
    routes.add_api_route("/gate", found.pass_through, methods=["POST"])
    routes.add_api_route("/at-once", at_once, methods=["POST"])
    http.app.include_router(routes)  # type: ignore[attr-defined]
    return found


def test_no_more_requests_than_allowed_work_at_once_and_all_are_answered(
    http: TestClient, gate: Gate
) -> None:
    set_turns(http, Turns(2, longest_s=PATIENCE_S))
    with ThreadPoolExecutor(4) as clients:
        answers = [clients.submit(http.post, "/gate") for _ in range(4)]
        try:
            assert gate.entered.acquire(timeout=PATIENCE_S) and gate.entered.acquire(timeout=PATIENCE_S)
            assert http.post("/at-once").json() == "answered"  # a coroutine takes no turn
            assert not gate.entered.acquire(timeout=0.3), "a third request came in before its turn"
        finally:
            gate.open.set()
        assert [answer.result(PATIENCE_S).json() for answer in answers] == ["passed"] * 4


def test_a_request_that_takes_long_gives_its_turn_to_the_next(http: TestClient, gate: Gate) -> None:
    set_turns(http, Turns(1, longest_s=0.05))
    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(http.post, "/gate") for _ in range(2)]
        try:
            assert gate.entered.acquire(timeout=PATIENCE_S) and gate.entered.acquire(timeout=PATIENCE_S)
        finally:
            gate.open.set()
        assert [answer.result(PATIENCE_S).json() for answer in answers] == ["passed"] * 2


def test_a_request_that_fails_gives_its_turn_back(http: TestClient, gate: Gate) -> None:
    gate.open.set()
    set_turns(http, Turns(2, longest_s=PATIENCE_S))
    for _ in range(5):
        assert http.post("/gate", content="{").status_code == 415
        assert http.post("/gate", json={"a": 1}, headers={"Idempotency-Key": "k" * 200}).status_code == 422
    assert http.post("/gate").json() == "passed"
