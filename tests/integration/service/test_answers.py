"""Fronts as they are sent: the same as those made anew, whatever was added since they were kept."""

from __future__ import annotations

import json
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select, update

from service.answers import Answers, prepare
from service.fronts import Fronts
from service.pareto import live_front
from service.states import State
from service.store import Store
from service.stores import evaluations, searches
from service.tables import answers

from .scenes import Scene, add, end, make_search

API = "/api/v1"
POINTS = [(0.5, 3.0), (0.6, 6.0), (0.4, 7.0)]
LATER = {"metric": "ap", "value": 0.7, "unit": "1", "source": "fine-tuned", "stderr": None}


def ended_search(store: Store) -> Scene:
    scene = make_search(store)
    for kind in ("dataset", "train"):
        end(store, kind)
    add(store, scene, POINTS)
    end(store, "search", State.SUCCEEDED)
    return scene


def front(http: TestClient, scene: Scene, **query: str) -> dict[str, Any]:
    answer = http.get(f"{API}/searches/{scene.search}/pareto", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def made_anew(store: Store, scene: Scene, objectives: str | None = None) -> dict[str, Any]:
    with store.database.read() as tx:
        search = searches.get(tx, scene.search)
    assert search is not None
    view = live_front(store, Fronts(store), search, objectives, None)
    return view.model_dump(mode="json")


def kept(store: Store) -> list[str]:
    with store.database.read() as tx:
        return list(tx.execute(select(answers.c.search_id)).scalars())


def test_what_is_added_while_a_search_runs_is_in_the_next_answer(store: Store, http: TestClient) -> None:
    scene = make_search(store)
    add(store, scene, POINTS[:1])
    assert front(http, scene)["evaluated"] == 1
    add(store, scene, POINTS[1:])
    assert front(http, scene) == made_anew(store, scene)
    assert kept(store) == [], "the answer of a running search would be stale at once"


def test_an_ended_search_keeps_its_answer_for_the_next_process(store: Store, http: TestClient) -> None:
    scene = ended_search(store)
    prepare(store, scene.search)
    assert kept(store) == [scene.search]
    with store.database.write() as tx:
        tx.execute(update(answers).values(body='{"kept": true}'))
    assert front(http, scene) == {"kept": True}, "the kept answer was not used"
    assert front(http, scene, objectives="ap") == made_anew(store, scene, "ap")


def test_a_later_score_is_in_the_next_answer_of_every_process(store: Store, http: TestClient) -> None:
    scene = ended_search(store)
    prepare(store, scene.search)
    before = front(http, scene)
    subnet = before["points"][0]["id"]
    with store.database.write() as tx:
        evaluations.add_score(tx, subnet, LATER)
    after = front(http, scene)
    assert after != before and after == made_anew(store, scene)
    assert LATER | {"images": None, "of_images": None} in after["points"][0]["scores"]
    with store.database.read() as tx:
        search = searches.get(tx, scene.search)
    assert search is not None
    assert json.loads(Answers(store, Fronts(store)).front(search)) == after
