"""The record of a search, on both databases: each architecture once, numbered, guarded, indexed."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from service.errors import LeaseLost
from service.fronts import Fronts, rank
from service.identifiers import new_id
from service.pareto import constraints_of, objectives_of
from service.store import Store
from service.stores import evaluations, jobs, searches
from service.stores.rows import Page

from .scenes import REVISIONS, add, hold, make_search, new_evaluation


def test_an_architecture_is_stored_once(store: Store) -> None:
    scene = make_search(store)
    with store.database.write() as tx:
        first = evaluations.add(tx, scene.search, new_evaluation("k", {"ap": 0.5}), REVISIONS, 1)
        again = evaluations.add(tx, scene.search, new_evaluation("k", {"ap": 0.6}), REVISIONS, 2)
        search = searches.get(tx, scene.search)
        assert search is not None
    assert first is not None and again is None and search.evaluated == 1


def test_numbers_rise_by_one_and_failures_are_counted_apart(store: Store) -> None:
    scene = make_search(store)
    add(store, scene, [(0.1, 1.0), (0.2, 2.0)])
    add(store, scene, [(0.0, 9.0)], state="failed", error="no memory")
    with store.database.read() as tx:
        found = evaluations.history(tx, scene.search)
        search = searches.get(tx, scene.search)
    assert search is not None and (search.evaluated, search.failed) == (2, 1)
    assert [evaluation.number for evaluation in found] == [1, 2, 3]


def test_a_result_and_its_bookkeeping_are_one_transaction(store: Store) -> None:
    scene = make_search(store)
    lease = hold(store)
    with pytest.raises(LeaseLost), store.under(lease) as tx:
        evaluations.add(tx, scene.search, new_evaluation("k", {"ap": 0.5}), REVISIONS, 1)
        jobs.cancel_now(tx, scene.search)
        jobs.progress(tx, lease, {"step": 1})
    with store.database.read() as tx:
        search, job = searches.get(tx, scene.search), jobs.get(tx, scene.search)
        assert evaluations.history(tx, scene.search) == []
    assert search is not None and search.evaluated == 0
    assert job is not None and job.state == "RUNNING"


def test_pages_hold_every_evaluation_once(store: Store) -> None:
    scene = make_search(store)
    ids = add(store, scene, [(0.1 * i, 1.0) for i in range(7)])
    seen: list[str] = []
    after: tuple[int, ...] | None = None
    with store.database.read() as tx:
        while True:
            rows = evaluations.page(tx, scene.search, Page(3, after))
            seen += [row.id for row in rows[:3]]
            if len(rows) <= 3:
                break
            after = (rows[2].number,)
    assert seen == ids


def test_later_scores_stay_in_order(store: Store) -> None:
    scene = make_search(store)
    (subnet,) = add(store, scene, [(0.5, 1.0)])
    for value in (1.1, 1.2):
        with store.database.write() as tx:
            evaluations.add_score(tx, subnet, {"metric": "latency_ms", "value": value})
    with store.database.read() as tx:
        assert [score["value"] for score in evaluations.scores_after(tx, [subnet])[subnet]] == [1.1, 1.2]


def test_the_live_front_reads_only_what_is_new(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    add(store, scene, [(0.5, 2.0), (0.6, 3.0), (0.4, 2.5)])
    first = fronts.points(scene.search)
    add(store, scene, [(0.7, 1.0)])
    second = fronts.points(scene.search)
    assert second.ids[:3] == first.ids and second.last == 4
    spec = {"objectives": ["ap", "latency_ms"], "constraints": []}
    before = rank(first, objectives_of(spec), constraints_of(spec))
    after = rank(second, objectives_of(spec), constraints_of(spec))
    assert [before.points.numbers[i] for i in before.front] == [2, 1]
    assert [after.points.numbers[i] for i in after.front] == [4]


def test_a_front_keeps_within_bounds_and_says_who_is_nearest(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    add(store, scene, [(0.5, 2.0), (0.6, 3.0)])
    objectives = objectives_of({"objectives": ["ap", "latency_ms"]})
    within = rank(fronts.points(scene.search), objectives, constraints_of({}, "latency_ms<=2.5"))
    assert [within.points.numbers[i] for i in within.front] == [1]
    assert within.reference is not None and within.reference[1] == 2.5
    nothing = rank(fronts.points(scene.search), objectives, constraints_of({}, "latency_ms<=1"))
    assert len(nothing.front) == 0 and nothing.hypervolume == 0
    assert [nothing.points.numbers[i] for i in nothing.nearest] == [1, 2]


PLANS = {
    "queue": "SELECT id FROM jobs WHERE state = 'QUEUED' AND kind = 'search' ORDER BY priority DESC LIMIT 1",
    "list of searches": (
        "SELECT id FROM searches WHERE owner = 'ada' ORDER BY created_at DESC, id DESC LIMIT 51"
    ),
    "page of subnets": (
        "SELECT id FROM evaluations WHERE search_id = 'x' AND number > 9 ORDER BY number LIMIT 51"
    ),
    "events": "SELECT number FROM events WHERE job_id = 'x' AND number > 9 ORDER BY number LIMIT 500",
    "identity": (
        "SELECT id FROM evaluations WHERE search_id = 'x' AND key = 'k' AND device_revision = 'd' "
        "AND dataset_revision = 'e' AND evaluator_revision = 'f'"
    ),
    "key": "SELECT id FROM api_keys WHERE hash = 'x'",
    "later scores": "SELECT score FROM extra_scores WHERE evaluation_id = 'x' ORDER BY created_at",
    "calibrations": "SELECT id FROM predictors WHERE device_id = 'x' AND space_key = 'y'",
    "artifact of a request": "SELECT id FROM artifacts WHERE evaluation_id = 'x' AND format = 'onnx'",
    "batches of a device": (
        "SELECT id FROM batches WHERE device_id = 'x' AND state = 'open' ORDER BY created_at"
    ),
}


@pytest.mark.parametrize("query", PLANS.values(), ids=PLANS)
def test_hot_queries_use_an_index(store: Store, query: str) -> None:
    with store.database.read() as tx:
        if store.database.is_sqlite:
            plan = " ".join(str(row[3]) for row in tx.execute(text(f"EXPLAIN QUERY PLAN {query}")))
            assert "SCAN" not in plan and "INDEX" in plan, plan
        else:
            tx.execute(text("SET LOCAL enable_seqscan = off"))
            tx.execute(text("SET LOCAL enable_sort = off"))
            plan = " ".join(str(row[0]) for row in tx.execute(text(f"EXPLAIN {query}")))
            assert "Seq Scan" not in plan and ("Index" in plan or "Bitmap" in plan), plan


def test_a_certain_bound_is_held_by_the_end_of_the_interval(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    add(store, scene, [(0.5, 2.0), (0.6, 2.49), (0.7, 3.0)])  # standard errors of 0.01 ms
    points, objectives = fronts.points(scene.search), objectives_of({"objectives": ["ap", "latency_ms"]})
    found = {}
    for certain in (False, True):
        bound = {"metric": "latency_ms", "upper": 2.5, "certain": certain}
        ranking = rank(points, objectives, constraints_of({"constraints": [bound]}))
        found[certain] = sorted(points.numbers[i] for i in ranking.front)
    assert found == {False: [1, 2], True: [1]}


def test_what_measured_beyond_a_bound_leaves_the_front(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    ids = add(store, scene, [(0.5, 2.0), (0.6, 2.4), (0.4, 2.6)])
    objectives, bounds = (
        objectives_of({"objectives": ["ap", "latency_ms"]}),
        constraints_of({}, "latency_ms<=2.5"),
    )
    assert len(fronts.ranking(scene.search, objectives, bounds).front) == 2
    measured = {ids[0]: {"latency_ms": 1.9}, ids[1]: {"latency_ms": 2.7}}
    with store.database.write() as tx:
        searches.store_front(tx, new_id(), scene.search, json.dumps({"measured_ids": measured}))
    after = fronts.ranking(scene.search, objectives, bounds)
    assert [after.points.ids[i] for i in after.front] == [ids[0]]
    assert [after.points.ids[i] for i in after.neighbours] == [ids[1]]
    assert after.violations[1] == pytest.approx(0.08)


def test_a_measured_front_is_that_of_the_measurements(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    ids = add(store, scene, [(0.50, 2.0), (0.51, 2.1), (0.6, 3.0), (0.595, 2.98)])
    objectives = objectives_of({"objectives": ["ap", "latency_ms"]})
    assert len(fronts.ranking(scene.search, objectives, ()).front) == 4
    measured = {ids[0]: {"latency_ms": 2.2}, ids[1]: {"latency_ms": 2.1}, ids[2]: {"latency_ms": 3.1}}
    with store.database.write() as tx:
        searches.store_front(tx, new_id(), scene.search, json.dumps({"measured_ids": measured}))
    after = fronts.ranking(scene.search, objectives, ())
    assert {after.points.ids[i] for i in after.front} == {ids[1], ids[2]}, "a prediction beats no measurement"
    by_accuracy = fronts.ranking(scene.search, objectives_of({"objectives": ["ap"]}), ())
    assert [by_accuracy.points.ids[i] for i in by_accuracy.front] == [ids[2]]


def test_a_verified_front_is_that_of_all_images_with_their_errors(store: Store) -> None:
    scene, fronts = make_search(store), Fronts(store)
    ids = add(store, scene, [(0.50, 2.0), (0.55, 2.1), (0.6, 3.0), (0.7, 4.0)])
    objectives = objectives_of({"objectives": ["ap", "latency_ms"]})
    verified = {ids[0]: {"ap": [0.52, 0.03]}, ids[1]: {"ap": [0.51, 0.01]}, ids[2]: {"ap": [0.53, None]}}
    measured = {ids[0]: {"latency_ms": 2.05}, ids[1]: {"latency_ms": 2.1}, ids[2]: {"latency_ms": 3.0}}
    with store.database.write() as tx:
        document = {"verified_ids": verified, "measured_ids": measured}
        searches.store_front(tx, new_id(), scene.search, json.dumps(document))
    after = fronts.ranking(scene.search, objectives, ())
    assert {after.points.ids[i] for i in after.front} == {ids[0], ids[2]}
    certain = {"metric": "ap", "lower": 0.5, "certain": True}
    sure = fronts.ranking(scene.search, objectives, constraints_of({"constraints": [certain]}))
    assert {sure.points.ids[i] for i in sure.front} == {ids[2]}
