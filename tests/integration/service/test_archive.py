"""A search of a supernet that was searched before begins from what is known of it."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import synthetic
from service.database import read_clock
from service.identifiers import new_id
from service.records import Search, StoredEvaluation
from service.states import State
from service.store import Store
from service.stores import evaluations, events, jobs, searches
from service.worker import Worker

EARLIER, LATER = 16, 6


def run(store: Store) -> None:
    assert Worker(store, name="w", lanes={"long": ("search",)}, find_runner=lambda _: synthetic.run).run_one(
        ("search",)
    )


def again(store: Store, search_id: str, owner: str = "ada") -> str:
    """Queue another search of the same supernet, for parameters rather than MACs, from the archive."""
    identifier = new_id()
    with store.database.write() as tx:
        earlier = searches.get(tx, search_id)
        assert earlier is not None
        spec = {
            **earlier.spec,
            "objectives": ["ap", "parameters"],
            "strategy": "surrogate",
            "options": {},
            "archive": True,
            "budget": {"evaluations": LATER, "wall_s": None, "parallel": 1},
        }
        jobs.enqueue(tx, jobs.NewJob(identifier, "search", owner, spec))
        now = read_clock(tx)
        searches.add(tx, Search(identifier, owner, "again", earlier.supernet_id, None, None, spec, 0, 0, now))
    return identifier


def record(store: Store, search_id: str) -> list[StoredEvaluation]:
    with store.database.read() as tx:
        return evaluations.history(tx, search_id)


def test_a_front_is_predicted_from_the_archive_and_then_refined(store: Store) -> None:
    first = synthetic.submit(store, evaluations=EARLIER)
    run(store)
    second = again(store, first)
    run(store)
    before, after = record(store, first), record(store, second)
    adopted = [entry for entry in after if entry.origin in ("archive", "baseline:fpn")]
    assert {entry.key for entry in adopted} == {entry.key for entry in before}
    asked = [entry for entry in after if entry.origin == "search"]
    assert len(asked) == LATER and {entry.key for entry in asked}.isdisjoint(e.key for e in before)
    with store.database.read() as tx:
        found = events.after(tx, second, 0)
        ended = jobs.get(tx, second)
    kinds = [event.kind for event in found if event.kind in ("archive", "predicted_front", "evaluation")]
    assert kinds == ["archive", "predicted_front", *["evaluation"] * LATER]
    guesses = next(event.payload["points"] for event in found if event.kind == "predicted_front")
    assert guesses and all(
        score["source"] == "predicted" and score["stderr"] > 0
        for point in guesses
        for score in point["scores"]
        if score["metric"] == "ap"
    )
    count = min(len(guesses), LATER)
    assert [entry.key for entry in asked[:count]] == [point["key"] for point in guesses[:count]]
    assert ended is not None and ended.state is State.SUCCEEDED


def test_nothing_is_adopted_from_another_owner_or_another_supernet(store: Store) -> None:
    synthetic.submit(store, evaluations=EARLIER)
    run(store)
    stranger = synthetic.submit(store, owner="bob", evaluations=EARLIER)
    run(store)
    with store.database.read() as tx:
        search = searches.get(tx, stranger)
        assert search is not None
        asked = (tx, "ada", search.supernet_id, synthetic.REVISIONS, 100)
        assert evaluations.of_supernet(*asked, but="") == []
        owned = (tx, "bob", search.supernet_id, synthetic.REVISIONS, 100)
        assert len(evaluations.of_supernet(*owned, but="")) == EARLIER + 1
        other = replace(synthetic.REVISIONS, dataset="another")
        assert evaluations.of_supernet(tx, "bob", search.supernet_id, other, 100, but="") == []
