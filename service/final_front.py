"""The front that a search ends with: predicted latencies are measured, and what was scored on a part of the
validation images is scored on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evaluators.score import CHECKED, Score, Source
from search.evaluation import Evaluation
from search.objectives import Constraint
from search.problem import Problem
from search.result import Outside, ParetoFront
from service.scoring import Bench
from service.stores import evaluations, jobs
from service.work import Work

ROUNDS = 4
"""Rounds of checking the front, each of what took the place of members that turned out beyond a bound."""
Scores = tuple[Score, ...]


@dataclass(frozen=True)
class Checked:
    """What was found when the front was looked at again, by architecture key."""

    scores: Mapping[str, Scores] = field(default_factory=dict)

    def of(self, source: Source) -> dict[str, list[Score]]:
        """Return the scores of one source by key, keys without any left out."""
        found = {key: [s for s in scores if s.source == source] for key, scores in self.scores.items()}
        return {key: scores for key, scores in found.items() if scores}

    def breaks(self, constraints: Sequence[Constraint], key: str) -> bool:
        """Return whether what was found of an architecture misses a bound, whatever it was searched by."""
        found = self.scores.get(key, ())
        pairs = [(entry, score) for entry in constraints for score in found if score.metric == entry.metric]
        return any(
            (entry.violation(score.value) if score.source == "measured" else entry.missed_by(score)) > 0
            for entry, score in pairs
        )

    def document(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return the front document's part; `ids` are the evaluations' by key."""
        measured, verified = self.of("measured"), self.of("verified")
        return {
            "measured": _records(measured),
            "measured_ids": {ids[key]: {s.metric: s.value for s in found} for key, found in measured.items()},
            "verified": _records(verified),
            "verified_ids": {
                ids[key]: {s.metric: [s.value, s.stderr] for s in found} for key, found in verified.items()
            },
        }


Check = Callable[[ParetoFront], Checked]


def verified_front(
    check: Check, problem: Problem, history: Sequence[Evaluation], outside: Iterable[Outside]
) -> tuple[ParetoFront, Checked]:
    """Return the front by what checking it found, and that.

    What turns out beyond a bound, or behind another member, leaves it. What comes onto the front in place of
    the former is checked too, in at most `ROUNDS` rounds.
    """
    beyond: set[str] = set()
    checked: dict[str, Scores] = {}
    for _ in range(ROUNDS):
        kept = [entry for entry in history if entry.key not in beyond]
        front = ParetoFront.of(problem, kept, outside=outside)
        checked |= check(front).scores
        found = Checked(checked)
        missed = {entry.key for entry in front.members if found.breaks(problem.constraints, entry.key)}
        beyond |= missed
        if not missed:
            break
    kept = [_as_found(entry, checked) for entry in front.members if entry.key not in beyond]
    settled = ParetoFront.of(problem.at(front.reference), kept, rank_correlation=front.rank_correlation)
    baselines = tuple(_as_found(entry, checked) for entry in front.baselines)
    whole = replace(front, members=settled.members, hypervolume=settled.hypervolume, baselines=baselines)
    return whole, Checked(checked)


def check_front(work: Work, bench: Bench, report: Mapping[str, Any], front: ParetoFront) -> Checked:
    """Check the front's members and the baselines, store what is found, and return it.

    What an earlier attempt stored is not found again. `report` is the search's progress, which reports of
    this one go on from.
    """
    shown = [entry for entry in (*front.members, *front.baselines) if entry.state == "ok"]
    is_partial = any(score.is_partial for entry in shown for score in entry.scores)
    if not is_partial and bench.device is None:
        return Checked()
    known = _stored(work, [entry.key for entry in shown])
    if is_partial:
        from service.rescoring import rescored

        done = known.of("verified")
        left = [entry for entry in shown if entry.key not in done]
        for scores in rescored(work, bench, [entry.architecture for entry in left], report):
            _store(work, scores, report)
    if bench.device is not None:
        from service.verification import measured_scores

        done = known.of("measured")
        left = [entry for entry in shown if entry.key not in done]
        found = measured_scores(work, bench, [entry.architecture for entry in left])
        _store(work, {entry.key: scores for entry, scores in zip(left, found, strict=False)}, report)
    return _stored(work, [entry.key for entry in shown])


def _stored(work: Work, keys: Sequence[str]) -> Checked:
    """Return what is stored of these architectures of the search beside what they were searched by."""
    ids = ids_of(work)
    with work.store.database.read() as tx:
        later = evaluations.scores_after(tx, [ids[key] for key in keys])
    found = {key: [s for s in later[ids[key]] if s["source"] in CHECKED] for key in keys}
    return Checked({k: tuple(Score.from_record(s) for s in scores) for k, scores in found.items() if scores})


def _store(work: Work, found: Mapping[str, Scores], report: Mapping[str, Any]) -> None:
    """Store scores by key, all of them or none."""
    ids = ids_of(work)
    with work.write() as tx:
        if found:
            jobs.progress(tx, work.hold.lease, report)
        for key, scores in found.items():
            for score in scores:
                evaluations.add_score(tx, ids[key], score.to_record())


def ids_of(work: Work) -> dict[str, str]:
    """Return the ids of the search's evaluations by key."""
    with work.store.database.read() as tx:
        return evaluations.ids(tx, work.job.id)


def _as_found(entry: Evaluation, checked: Mapping[str, Scores]) -> Evaluation:
    """Return the evaluation with what was found in front of what it was searched by."""
    return replace(entry, scores=checked.get(entry.key, ()) + entry.scores)


def _records(found: Mapping[str, Sequence[Score]]) -> dict[str, list[dict[str, object]]]:
    return {key: [score.to_record() for score in scores] for key, scores in found.items()}
