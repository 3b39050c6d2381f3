"""Actors on a real local Ray: deaths, poison, cancelling, leaving nothing behind."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from evaluators.score import Score
from search.budget import Budget
from search.cluster import start
from search.errors import ExecutorClosed, WorkerFailed
from search.execution import Outcome
from search.executors.local import LocalExecutor
from search.executors.ray import RayExecutor
from search.loop import search
from search.result import ParetoFront
from search_space.architecture import Architecture
from tests.unit.search import chain

SPACE = chain.ChainSpace()
GRAPHS = [SPACE.architecture(genotype) for genotype in SPACE.everything()[100:112]]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    start(2)
    yield
    ray.shutdown()


def drain(executor: RayExecutor) -> list[Outcome]:
    found = []
    while (outcome := executor.wait(60)) is not None:
        found.append(outcome)
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


def pids(folder: Path) -> set[int]:
    return {int(line.split()[1]) for line in (folder / "evaluated").read_text().splitlines()}


def test_a_death_costs_nothing_and_poison_is_quarantined(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path, 0.001, kill_once=GRAPHS[2].key, kill_always=GRAPHS[5].key)
    with RayExecutor(factory, workers=2, kills=2) as executor:
        executor.submit(GRAPHS)
        found = drain(executor)
    assert sorted(entry.key for entry in found) == sorted(graph.key for graph in GRAPHS)
    failed = [entry for entry in found if entry.error]
    assert [entry.key for entry in failed] == [GRAPHS[5].key]
    assert failed[0].error == "quarantined: its worker died 2 times while evaluating it"


def test_a_search_whose_workers_die_finds_the_same_front(tmp_path: Path) -> None:
    problem, budget = chain.problem(seed=5), Budget(evaluations=60)
    with LocalExecutor(chain.make_accuracy) as local:
        calm = list(search(problem, "nsga2", local, budget))
    factory = chain.Counting(tmp_path, 0.001)
    found = []
    with RayExecutor(factory, workers=2) as executor:
        for entry in search(problem, "nsga2", executor, budget):
            found.append(entry)
            if len(found) in (7, 31):
                os.kill(max(alive(pids(tmp_path))), signal.SIGKILL)
    assert sorted(entry.key for entry in found) == sorted(entry.key for entry in calm)
    fronts = [ParetoFront.of(problem, history).members for history in (found, calm)]
    assert [entry.key for entry in fronts[0]] == [entry.key for entry in fronts[1]]


def test_a_stream_keeps_every_worker_at_work(tmp_path: Path) -> None:
    factory = chain.Counting(tmp_path, 0.005)
    with RayExecutor(factory, workers=2) as executor:
        found = list(search(chain.problem(), "random", executor, Budget(evaluations=50)))
    assert len({entry.key for entry in found}) == 50 == len(factory.evaluated())
    assert len(pids(tmp_path)) == 2


def test_what_is_cancelled_never_comes_back(tmp_path: Path) -> None:
    with RayExecutor(chain.Counting(tmp_path, 0.05), workers=2) as executor:
        executor.submit(GRAPHS[:8])
        assert executor.wait(60) is not None
        executor.cancel()
        assert executor.wait(1) is None
        executor.submit(GRAPHS[8:])
        assert sorted(entry.key for entry in drain(executor)) == sorted(graph.key for graph in GRAPHS[8:])


def test_weights_travel_through_the_object_store() -> None:
    def factory(weights: dict[str, float]) -> object:
        return lambda _: (Score("ap", weights["ap"], "1", "inherited"),)

    with RayExecutor(factory, workers=2, weights={"ap": 0.25}) as executor:
        executor.submit(GRAPHS)
        assert [entry.scores[0].value for entry in drain(executor)] == [0.25] * len(GRAPHS)


def test_a_factory_that_fails_is_named_at_once() -> None:
    def factory() -> object:
        raise FileNotFoundError("supernet.safetensors")

    with RayExecutor(factory, workers=2) as executor:
        executor.submit(GRAPHS)
        with pytest.raises(WorkerFailed, match=r"supernet\.safetensors"):
            executor.wait(60)


def test_parallelism_is_reduced_to_what_there_is_and_said() -> None:
    with RayExecutor(chain.make_accuracy, workers=9) as executor:
        assert executor.workers == 2
        assert executor.notices == ("9 workers were asked for, the cluster has 2 CPUs: running 2",)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    executor = RayExecutor(chain.Counting(tmp_path), workers=2)
    executor.submit(GRAPHS)
    drain(executor)
    began = pids(tmp_path)
    executor.close()
    executor.close()
    until = time.monotonic() + 20
    while alive(began) and time.monotonic() < until:
        os.sched_yield()
    assert alive(began) == set()
    assert ray.is_initialized(), "a Ray that was there before stays"
    with pytest.raises(ExecutorClosed):
        executor.submit(GRAPHS)


def lost(_: Architecture) -> tuple[Score, ...]:
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


def test_workers_that_die_whatever_they_evaluate_end_the_search() -> None:
    with RayExecutor(lambda: lost, workers=1, kills=50) as executor:
        executor._patience = 2
        executor.submit(GRAPHS)
        with pytest.raises(WorkerFailed, match="dies whatever it evaluates"):
            executor.wait(200)
