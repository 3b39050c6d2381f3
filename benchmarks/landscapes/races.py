"""Race every strategy on both problems, five seeds, and keep the curves.

    python -m benchmarks.landscapes.races --workers 2

What was run already is kept; delete the file to race again. A curve is the hypervolume after each
evaluation as a part of the true front's, for a wide and for a tight reference point.
"""

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from benchmarks.landscapes.stacked import Scorer, Stacked, Truth
from benchmarks.landscapes.stacked import problem as stacked_problem
from benchmarks.landscapes.table import Table
from search.budget import Budget
from search.evaluation import Evaluation
from search.execution import Factory
from search.executors.local import LocalExecutor
from search.loop import search
from search.pareto import Points, hypervolume
from search.problem import Problem
from search.result import hypervolumes
from search.strategy import load

CURVES = Path(__file__).parents[1] / "data" / "search_curves.json.gz"
SEEDS = (0, 1, 2, 3, 4)
PROBLEMS = ("table", "synthetic")
Reference = tuple[float, float]


@dataclass(frozen=True)
class Entrant:
    """A strategy in a race.

    Attributes:
        strategy: its file.
        evaluations: how far it runs.
        aims: the reference points it is told; others are judged by both after one run.
        designed: whether it begins with the default strategy's initial design.
    """

    strategy: str
    evaluations: int
    aims: tuple[str, ...] = ("wide",)
    designed: bool = False


ENTRANTS = {
    "random": Entrant("random", 500),
    "nsga2": Entrant("nsga2", 500),
    "nsga2_designed": Entrant("nsga2", 500, designed=True),
    "evolution": Entrant("evolution", 500),
    "surrogate": Entrant("surrogate", 140, aims=("wide", "tight")),
    "linas": Entrant("linas", 300),
    "tpe": Entrant("tpe", 160),
    "netadapt": Entrant("netadapt", 300),
    "reinforce": Entrant("reinforce", 500),
}


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
    sign: float
    """Of the first objective's cost: -1 where it is to be large."""

    def problem(self, seed: int, reference: Reference) -> Problem: ...


class SyntheticCourse:
    """The stacked space under the truth of seed 0."""

    wide: Reference = (0.2, 4e6)
    tight: Reference = (0.45, 1.2e6)
    sign = -1.0

    def __init__(self) -> None:
        self.space, truth = Stacked({3: 16}), Truth(0)
        self.factory: Factory = Scorer(truth, self.space)
        self.front: Points = truth.front(16)

    def problem(self, seed: int, reference: Reference) -> Problem:
        """Return the problem of a seed."""
        return stacked_problem(self.space, seed=seed, reference=reference)


class TableCourse:
    """The table of scored necks."""

    sign = 1.0

    def __init__(self) -> None:
        self._table = Table.read()
        self.factory: Factory = self._table
        self.front: Points = self._table.points
        self.wide, self.tight = self._table.references()

    def problem(self, seed: int, reference: Reference) -> Problem:
        """Return the problem of a seed."""
        return self._table.problem(seed=seed, reference=reference)


@cache
def course(name: str) -> Course:
    """Return a problem by name, made once a process."""
    made: Course = TableCourse() if name == "table" else SyntheticCourse()
    return made


def race(problem: str, entrant: str, seed: int) -> Curve:
    """Run one entrant with one seed."""
    ground, runner = course(problem), ENTRANTS[entrant]
    told = {aim: _run(ground, runner, seed, getattr(ground, aim)) for aim in runner.aims}
    parts = {}
    for aim in ("wide", "tight"):
        reference: Reference = getattr(ground, aim)
        whole = hypervolume(ground.front, (ground.sign * reference[0], reference[1]))
        volumes = hypervolumes(told.get(aim, told["wide"]), ground.problem(seed, reference))
        parts[aim] = tuple(round(volume / whole, 5) for volume in volumes)
    return Curve(problem, entrant, seed, parts["wide"], parts["tight"])


def _run(ground: Course, runner: Entrant, seed: int, reference: Reference) -> list[Evaluation]:
    problem = ground.problem(seed, reference)
    with LocalExecutor(ground.factory) as executor:
        history: list[Evaluation] = []
        if runner.designed:
            history = list(search(problem, "surrogate", executor, Budget(evaluations=12)))
            history = [Evaluation(**{**vars(entry), "generation": 0}) for entry in history]
        budget = Budget(evaluations=runner.evaluations)
        return history + list(search(problem, load(runner.strategy), executor, budget, history))


def read(path: Path = CURVES) -> list[Curve]:
    """Return the stored curves; none where there is no file."""
    if not path.exists():
        return []
    records: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))["curves"]
    return [
        Curve(**{**record, "wide": tuple(record["wide"]), "tight": tuple(record["tight"])})
        for record in records
    ]


def write(curves: Sequence[Curve], path: Path = CURVES) -> None:
    """Store curves, sorted."""
    ordered = sorted(curves, key=lambda curve: (curve.problem, curve.entrant, curve.seed))
    content = {"schema_version": 1, "curves": [asdict(curve) for curve in ordered]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), mtime=0))


def missing(problems: Sequence[str], curves: Sequence[Curve]) -> Iterator[tuple[str, str, int]]:
    """Yield each run that `curves` lack, the cheap entrants first."""
    done = {(curve.problem, curve.entrant, curve.seed) for curve in curves}
    for problem in problems:
        for entrant in ENTRANTS:
            yield from ((problem, entrant, seed) for seed in SEEDS if (problem, entrant, seed) not in done)


def main() -> None:
    """Read the command line and race what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    curves = read()
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(race, *run) for run in missing(options.problems, curves)]
        for ended in as_completed(waiting):
            curve = ended.result()
            curves.append(curve)
            write(curves)
            print(curve.problem, curve.entrant, curve.seed, curve.wide[-1], curve.tight[-1], flush=True)


if __name__ == "__main__":
    main()
