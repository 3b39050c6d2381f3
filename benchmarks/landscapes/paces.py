"""What the search costs besides the evaluations."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from evaluators.score import Score
from search.budget import Budget
from search.errors import Infeasible
from search.evaluation import Evaluation
from search.execution import Evaluator
from search.executors.local import LocalExecutor
from search.executors.ray import RayExecutor
from search.loop import search
from search.objectives import Constraint, Objective
from search.problem import Problem
from search.research import adopt, predicted
from search.strategies.exhaustive import everything
from search.strategy import load
from search_space.architecture import Architecture
from search_space.space import Space

IMAGE = (128, 128)
REFERENCE = (0.5, 1e9)


def macs(architecture: Architecture) -> tuple[Score, ...]:
    """Return the MACs of a neck."""
    return (Score("macs", float(architecture.macs(IMAGE)), "MACs", "counted"),)


def elsewhere(architecture: Architecture) -> tuple[Score, ...]:
    """Return the latency on an invented device that is paid by the node."""
    latency = 0.05 * len(architecture.live) + architecture.macs(IMAGE) / 1e8
    return (Score("latency_ms@board", latency, "ms", "predicted", 0.02 * latency),)


def accuracy(architecture: Architecture) -> tuple[Score, ...]:
    """Return an invented accuracy, at once."""
    worth = math.log(len(architecture.live)) + math.log(architecture.parameters()) / 20
    return (Score("ap", 1 - math.exp(-worth), "1", "inherited"),)


def question(*constraints: Constraint) -> Problem:
    """Return a search of the full fusion grid."""
    objectives = (Objective("ap"), Objective("macs"))
    return Problem(Space.load("fusion_grid"), objectives, constraints, cheap=macs, reference=REFERENCE)


class Clocked:
    """An evaluator that adds up its own time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> Evaluator:
        """Return the evaluator."""
        return self.score

    def score(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the invented accuracy."""
        began = time.process_time()
        scores = accuracy(architecture)
        self.seconds += time.process_time() - began
        return scores


def overhead_ms(strategy: str, evaluations: int) -> float:
    """Return the CPU time of a search an evaluation, the evaluations left out, in milliseconds."""
    clocked, chosen, problem = Clocked(), load(strategy), question()
    began = time.process_time()
    with LocalExecutor(clocked) as executor:
        found = list(search(problem, chosen, executor, Budget(evaluations=evaluations)))
    return (time.process_time() - began - clocked.seconds) / len(found) * 1e3


def infeasible_s() -> float:
    """Return how long it takes to say that a bound below the smallest neck cannot be met."""
    began = time.monotonic()
    with LocalExecutor(lambda: accuracy) as executor:
        try:
            next(
                search(question(Constraint("macs", upper=1.0)), "surrogate", executor, Budget(evaluations=9))
            )
        except Infeasible:
            return time.monotonic() - began
    raise AssertionError("an impossible bound was met")


def predicted_front_s() -> float:
    """Return how long an archive of 300 takes to answer for another device, with a predicted front."""
    with LocalExecutor(lambda: accuracy) as executor:
        archive: list[Evaluation] = list(search(question(), "random", executor, Budget(evaluations=300)))
    board = Problem(
        Space.load("fusion_grid"), (Objective("ap"), Objective("latency_ms@board")), cheap=elsewhere
    )
    began = time.monotonic()
    guesses = predicted(board, adopt(board, archive))
    assert guesses, "no member was predicted"
    return time.monotonic() - began


def working(seconds: float) -> Evaluator:
    """Return an evaluator that keeps its core busy."""

    def score(_: Architecture) -> tuple[Score, ...]:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
        return (Score("ap", 0.5, "1", "inherited"),)

    return score


def resting(seconds: float) -> Evaluator:
    """Return an evaluator that takes its time and no core."""

    def score(architecture: Architecture) -> tuple[Score, ...]:
        time.sleep(seconds)
        return accuracy(architecture)

    return score


class Resting:
    """A factory of evaluators that take their time and no core."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> Evaluator:
        """Return the evaluator."""
        return resting(self.seconds)


def busy_share(evaluations: int) -> float:
    """Return the part of two workers' time that they evaluate, from the first answer of a search on."""
    with RayExecutor(Resting(0.25), workers=2) as executor:
        run = search(question(), "surrogate", executor, Budget(evaluations=evaluations))
        next(run)
        began = time.monotonic()
        worked = sum(entry.seconds for entry in run)
        return worked / (executor.workers * (time.monotonic() - began))


class Working:
    """A factory of busy evaluators."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> Evaluator:
        """Return the evaluator."""
        return working(self.seconds)


def _graphs(count: int) -> list[Architecture]:
    space = Space.load({"space": "fusion_grid", "stages": [1, 2], "widths": [32]})
    return [space.architecture(genotype) for genotype in everything(space)[:count]]


@contextmanager
def _ready(seconds: float, workers: int) -> Iterator[RayExecutor]:
    """Yield an executor whose every actor has worked already."""
    with RayExecutor(Working(seconds), workers=workers) as executor:
        _drain(executor, _graphs(4 * workers))
        yield executor


def _drain(executor: RayExecutor, graphs: list[Architecture]) -> float:
    """Return the seconds from submitting `graphs` to the last answer."""
    began = time.monotonic()
    executor.submit(graphs)
    answers = 0
    while executor.wait() is not None:
        answers += 1
    assert answers == len(graphs), f"{answers} answers for {len(graphs)}"
    return time.monotonic() - began


def ray_speedup(count: int) -> float:
    """Return how many times as fast two actors finish the same list as one."""
    spent = []
    for workers in (1, 2):
        with _ready(0.02, workers) as executor:
            spent.append(_drain(executor, _graphs(count)))
    return spent[0] / spent[1]


def ray_added_ms(count: int) -> float:
    """Return what one actor's evaluation takes beyond its millisecond of work, in milliseconds."""
    with _ready(0.001, 1) as executor:
        return _drain(executor, _graphs(count)) / count * 1e3 - 1.0
