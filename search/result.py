"""`ParetoFront`: what a search returns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from search.evaluation import Evaluation, check_schema
from search.history import cost_table, members, scored
from search.objectives import Constraint, Objective
from search.pareto import trace
from search.problem import Problem

SCHEMA_VERSION = 1
MARGIN = 0.1
"""How far behind the worst value the reference point lies, as a part of the range, where nobody gave one."""


@dataclass(frozen=True)
class Outside:
    """A published neck that the space does not contain, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class ParetoFront:
    """The non-dominated evaluations that meet every constraint, and how the search came to them.

    Attributes:
        objectives: in the order of `reference`.
        constraints: what every member meets.
        reference: the worst value of each objective that counts, in the metrics' own units and directions.
        members: by the first objective, best first.
        hypervolume: dominated volume up to `reference`, in the product of the objectives' units.
        trace: hypervolume after each evaluation, in order; failed ones repeat the value before.
        baselines: the published necks scored in the same run.
        outside: the published necks that were not, and why.
        rank_correlation: Kendall's tau of the accuracy model on held-out evaluations of this search.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    reference: tuple[float, ...]
    members: tuple[Evaluation, ...]
    hypervolume: float
    trace: tuple[float, ...]
    baselines: tuple[Evaluation, ...] = ()
    outside: tuple[Outside, ...] = ()
    rank_correlation: float | None = None

    @staticmethod
    def of(
        problem: Problem,
        history: Sequence[Evaluation],
        *,
        outside: Iterable[Outside] = (),
        rank_correlation: float | None = None,
    ) -> "ParetoFront":
        """Return the front of `history`; empty where nothing meets the constraints.

        The rank correlation is worked out unless given.
        """
        found = sorted(members(history, problem), key=lambda entry: tuple(problem.costs(entry)))
        volumes = hypervolumes(history, problem)
        return ParetoFront(
            objectives=problem.objectives,
            constraints=problem.constraints,
            reference=reference_point(problem, history),
            members=tuple(found),
            hypervolume=volumes[-1] if volumes else 0.0,
            trace=volumes,
            baselines=tuple(entry for entry in history if entry.is_baseline),
            outside=tuple(outside),
            rank_correlation=_held_out(problem, history) if rank_correlation is None else rank_correlation,
        )

    def to_json(self) -> str:
        """Return the front as JSON with a `schema_version`."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "objectives": [asdict(entry) for entry in self.objectives],
            "constraints": [asdict(entry) for entry in self.constraints],
            "reference": list(self.reference),
            "members": [entry.to_record() for entry in self.members],
            "hypervolume": self.hypervolume,
            "trace": list(self.trace),
            "baselines": [entry.to_record() for entry in self.baselines],
            "outside": [asdict(entry) for entry in self.outside],
            "rank_correlation": self.rank_correlation,
        }
        return json.dumps(record, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "ParetoFront":
        """Return the front of `to_json`.

        Raises:
            NewerSchema: written by a later version.
        """
        record = json.loads(text)
        check_schema(record, "front", SCHEMA_VERSION)
        return ParetoFront(
            objectives=tuple(Objective(**entry) for entry in record["objectives"]),
            constraints=tuple(Constraint(**entry) for entry in record["constraints"]),
            reference=tuple(record["reference"]),
            members=_evaluations(record["members"]),
            hypervolume=record["hypervolume"],
            trace=tuple(record["trace"]),
            baselines=_evaluations(record["baselines"]),
            outside=tuple(Outside(**entry) for entry in record["outside"]),
            rank_correlation=record["rank_correlation"],
        )


def _held_out(problem: Problem, history: Sequence[Evaluation]) -> float | None:
    from search.surrogate.correlation import held_out  # loads scipy: seconds, at a search's end only

    return held_out(problem, history)


def _evaluations(records: object) -> tuple[Evaluation, ...]:
    return tuple(Evaluation.from_record(entry) for entry in cast("list[Mapping[str, object]]", records))


def reference_point(problem: Problem, history: Sequence[Evaluation]) -> tuple[float, ...]:
    """Return the worst value of each objective that counts, in the metrics' own units and directions.

    The problem's own where it has one; else the bound on that metric; else a little behind the worst of
    `history`.
    """
    if problem.reference is not None:
        return problem.reference
    costs = cost_table(scored(history, problem), problem)
    bounds = [_bound(problem, entry) for entry in problem.objectives]
    return tuple(
        entry.from_cost(_behind(costs[:, column])) if bound is None else bound
        for column, (entry, bound) in enumerate(zip(problem.objectives, bounds, strict=True))
    )


def _bound(problem: Problem, objective: Objective) -> float | None:
    bounds = [
        entry.upper if objective.direction == "minimise" else entry.lower
        for entry in problem.constraints
        if entry.metric == objective.metric
    ]
    given = [objective.to_cost(bound) for bound in bounds if bound is not None]
    return objective.from_cost(min(given)) if given else None


def _behind(column: NDArray[np.float64]) -> float:
    if len(column) == 0:
        return 0.0
    worst, span = float(column.max()), float(np.ptp(column))
    return worst + MARGIN * (span or abs(worst) or 1.0)


def hypervolumes(history: Sequence[Evaluation], problem: Problem) -> tuple[float, ...]:
    """Return the hypervolume after each evaluation of `history`; what is not feasible adds nothing."""
    reference = reference_point(problem, history)
    corner = [entry.to_cost(value) for entry, value in zip(problem.objectives, reference, strict=True)]
    costs = cost_table(history, problem)
    for row, entry in enumerate(history):
        if entry.state != "ok" or not problem.feasible(entry):
            costs[row] = np.inf
    return tuple(trace(np.nan_to_num(costs, nan=np.inf), corner))
