"""Every strategy on every problem, five seeds: the hypervolume after each evaluation.

A curve is the hypervolume as a part of the true front's, for a wide and for a tight reference point.
"""

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

from benchmarks.landscapes.parts import Parts
from benchmarks.landscapes.published import evolved
from benchmarks.landscapes.stacked import Scorer, Stacked, Truth
from benchmarks.landscapes.stacked import problem as stacked_problem
from benchmarks.landscapes.table import SIXTH, Table
from search.budget import Budget
from search.evaluation import Evaluation
from search.execution import Factory
from search.executors.local import LocalExecutor
from search.history import cost_table
from search.loop import search
from search.pareto import Points, hypervolume, trace
from search.problem import Problem
from search.strategy import load

CURVES = Path(__file__).parents[1] / "data" / "search_curves.json.gz"
SEEDS = (400, 401, 402, 403, 404)
Reference = tuple[float, float]


@dataclass(frozen=True)
class Entrant:
    """A strategy in a race.

    Attributes:
        strategy: its file.
        evaluations: how far it runs.
        aims: the reference points it is told; others are judged by both after one run.
        designed: whether it begins with the default strategy's initial design.
        published: whether it is DyNAS-T's NSGA-II of 50 rather than ours.
    """

    strategy: str
    evaluations: int
    aims: tuple[str, ...] = ("wide",)
    designed: bool = False
    published: bool = False


ENTRANTS = {
    "random": Entrant("random", 500),
    "nsga2": Entrant("nsga2", 500),
    "nsga2_designed": Entrant("nsga2", 500, designed=True),
    "evolution": Entrant("evolution", 500),
    "nsga2_published": Entrant("nsga2", 500, published=True),
    "surrogate": Entrant("surrogate", 140, aims=("wide", "tight")),
    "linas": Entrant("linas", 400),
    "tpe": Entrant("tpe", 160),
    "netadapt": Entrant("netadapt", 300),
    "reinforce": Entrant("reinforce", 500),
}
PROBLEMS: Mapping[str, Sequence[str]] = {
    "table": tuple(ENTRANTS),
    "sixth": ("random", "nsga2", "nsga2_designed", "surrogate"),
    "synthetic": tuple(ENTRANTS),
}
"""The entrants on each problem."""


@dataclass(frozen=True)
class Curve:
    """One run: parts of the true hypervolume after each evaluation, by reference point."""

    problem: str
    entrant: str
    seed: int
    wide: tuple[float, ...]
    tight: tuple[float, ...]


class Course(Protocol):
    """A problem with a known front."""

    factory: Factory
    front: Points
    wide: Reference
    tight: Reference

    def problem(self, seed: int, reference: Reference) -> Problem: ...


class SyntheticCourse:
    """The stacked space under the truth of seed 0."""

    wide: Reference = (0.2, 4e6)
    tight: Reference = (0.45, 1.2e6)

    def __init__(self) -> None:
        self.space, truth = Stacked({3: 16}), Truth(0)
        self.factory: Factory = Scorer(truth, self.space)
        self.front: Points = truth.front(16)

    def problem(self, seed: int, reference: Reference) -> Problem:
        """Return the problem of a seed."""
        return stacked_problem(self.space, seed=seed, reference=reference)


class TableCourse:
    """A table of scored necks."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.factory: Factory = self._table
        self.front: Points = self._table.points
        self.wide, self.tight = self._table.references()

    def problem(self, seed: int, reference: Reference) -> Problem:
        """Return the problem of a seed."""
        return self._table.problem(seed=seed, reference=reference)


@cache
def course(name: str) -> Course:
    """Return a problem by name, made once a process."""
    if name == "synthetic":
        return SyntheticCourse()
    table = Table.read()
    return TableCourse(table.narrowed(SIXTH) if name == "sixth" else table)


def race(problem: str, entrant: str, seed: int) -> Curve:
    """Run one entrant with one seed."""
    ground, runner = course(problem), ENTRANTS[entrant]
    told = {aim: _costs(ground, runner, seed, getattr(ground, aim)) for aim in runner.aims}
    parts = {}
    for aim in ("wide", "tight"):
        reference: Reference = getattr(ground, aim)
        corner = (-reference[0], reference[1])
        whole = hypervolume(ground.front, corner)
        volumes = trace(told.get(aim, told["wide"]), corner)
        parts[aim] = tuple(round(volume / whole, 5) for volume in volumes)
    return Curve(problem, entrant, seed, parts["wide"], parts["tight"])


def _costs(ground: Course, runner: Entrant, seed: int, reference: Reference) -> Points:
    """Return the objectives (N, 2) of each evaluation in order."""
    problem = ground.problem(seed, reference)
    if runner.published:
        return evolved(problem, ground.factory(), runner.evaluations, seed)
    return cost_table(_run(ground.factory, problem, runner), problem)


def _run(factory: Factory, problem: Problem, runner: Entrant) -> list[Evaluation]:
    with LocalExecutor(factory) as executor:
        history: list[Evaluation] = []
        if runner.designed:
            history = list(search(problem, "surrogate", executor, Budget(evaluations=12)))
            history = [replace(entry, generation=0) for entry in history]
        budget = Budget(evaluations=runner.evaluations)
        return history + list(search(problem, load(runner.strategy), executor, budget, history))


def write(curves: Sequence[Curve], path: Path = CURVES) -> None:
    """Store curves, sorted."""
    ordered = sorted(curves, key=lambda curve: (curve.problem, curve.entrant, curve.seed))
    content = {"schema_version": 1, "curves": [asdict(curve) for curve in ordered]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))


def every(
    parts: Parts, problems: Mapping[str, Sequence[str]] = PROBLEMS, seeds: Sequence[int] = SEEDS
) -> list[Curve]:
    """Return the curves of the entrants on every problem, run on all free cores; parts are kept."""
    runs = [
        (problem, entrant, seed)
        for problem, entrants in problems.items()
        for entrant, seed in product(entrants, seeds)
    ]
    missing = [run for run in runs if not parts.has(_name(*run), model=_models(run[1]))]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = {pool.submit(race, *run): run for run in missing}
        for ended in as_completed(waiting):
            run = waiting[ended]
            parts.keep(_name(*run), asdict(ended.result()), model=_models(run[1]))
    return [_curve(parts.get(_name(*run), model=_models(run[1]))) for run in runs]


def _models(entrant: str) -> bool:
    """Return whether the default strategy's model decides anything in an entrant's run."""
    return ENTRANTS[entrant].strategy == "surrogate" or ENTRANTS[entrant].designed


def _name(problem: str, entrant: str, seed: int) -> str:
    state = "" if problem == "synthetic" else f"{crc32(course(problem).front.tobytes()):08x}_"
    return f"race_{problem}_{state}{entrant}_{seed}"


def _curve(record: dict[str, Any]) -> Curve:
    return Curve(**{**record, "wide": tuple(record["wide"]), "tight": tuple(record["tight"])})
