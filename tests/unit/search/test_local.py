"""The executor without processes."""

from pathlib import Path

import pytest

from search.errors import ExecutorClosed
from search.executors.local import LocalExecutor
from tests.unit.search import chain

SPACE = chain.ChainSpace()
GRAPHS = [SPACE.architecture(genotype) for genotype in SPACE.everything()[:5]]


def test_each_architecture_comes_back_once(tmp_path: Path) -> None:
    with LocalExecutor(chain.Counting(tmp_path)) as executor:
        executor.submit(GRAPHS)
        found = [executor.wait() for _ in GRAPHS]
        assert executor.wait() is None
    assert [entry.key for entry in found if entry] == [graph.key for graph in GRAPHS]
    assert all(entry.attempts == 1 and entry.scores for entry in found if entry)


def test_what_raises_is_tried_again_then_named(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path, broken=GRAPHS[1].key)
    with LocalExecutor(factory, attempts=3) as executor:
        executor.submit(GRAPHS[:3])
        found = [executor.wait() for _ in range(3)]
    assert [entry.error for entry in found if entry] == [None, "RuntimeError: no such weight", None]
    assert factory.evaluated().count(GRAPHS[1].key) == 3


def test_weights_reach_the_factory() -> None:
    with LocalExecutor(lambda weights: lambda _: weights, weights=("scores",)) as executor:
        executor.submit(GRAPHS[:1])
        outcome = executor.wait()
    assert outcome is not None and outcome.scores == ("scores",)


def test_a_cancelled_or_closed_executor_evaluates_nothing(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path)
    executor = LocalExecutor(factory)
    executor.submit(GRAPHS)
    executor.cancel()
    assert executor.wait() is None and factory.evaluated() == []
    executor.close()
    with pytest.raises(ExecutorClosed):
        executor.submit(GRAPHS)
