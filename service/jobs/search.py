"""Runs a search: goes on from what is stored, stores each evaluation, and ends with the front."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from search.budget import Budget
from search.errors import Infeasible, SearchError, WorkerFailed
from search.evaluation import ARCHIVE, Evaluation
from search.execution import Executor
from search.loop import search
from search.problem import Problem
from search.result import Outside, ParetoFront
from search.strategy import Strategy, load
from search_space.space import Space
from service.baselines import baselines_of
from service.final_front import check_front, ids_of, verified_front
from service.history import new_evaluation, read_evaluation
from service.identifiers import new_id
from service.pareto import constraints_of, objectives_of
from service.scoring import Bench, open_bench
from service.settings import Settings
from service.states import State
from service.stores import evaluations, events, jobs, searches
from service.work import JobFailed, NotReady, Outcome, TryAgain, Work

log = structlog.get_logger("search")


@dataclass
class Pace:
    """How fast a run is: for the estimate of its end, and for estimates of later searches."""

    total: int
    before_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    done: int = 0
    fresh: int = 0

    def count(self) -> None:
        """Note one more evaluation of this run."""
        self.done, self.fresh = self.done + 1, self.fresh + 1
        if self.first_s is None:
            self.first_s = time.monotonic()

    def progress(self) -> dict[str, Any]:
        """Return how far the search is."""
        left = max(0, self.total - self.done)
        seconds = self.evaluation_s()
        return {
            "step": self.done,
            "total": self.total,
            "eta_s": None if seconds is None else left * seconds,
            "searched_s": self.searched_s(),
        }

    def searched_s(self) -> float:
        """Return the seconds of searching, those of earlier attempts included."""
        return self.before_s + time.monotonic() - self.began_s

    def evaluation_s(self) -> float | None:
        """Return the seconds between two evaluations, None before there are two."""
        if self.first_s is None or self.fresh < 2:
            return None
        return (time.monotonic() - self.first_s) / (self.fresh - 1)

    def result(self) -> dict[str, Any]:
        """Return what later estimates are made from."""
        overhead_s = None if self.first_s is None else self.first_s - self.began_s
        return {"evaluation_s": self.evaluation_s(), "overhead_s": overhead_s}


def run(work: Work) -> Outcome:
    """Search until the budget is spent, or until asked to stop."""
    return drive(work, open_bench(work.store, work.job.id))


def drive(work: Work, bench: Bench) -> Outcome:
    """Search with what the bench holds, from what is stored already, and store the front at the end."""
    with work.store.database.read() as tx:
        stored = evaluations.history(tx, work.job.id)
        documents = evaluations.architectures_of(tx, [entry.key for entry in stored])
    history = [read_evaluation(entry, documents[entry.key]) for entry in stored]
    problem, strategy = _problem(bench), _strategy(bench)
    inside, outside = baselines_of(problem, bench.search.spec)
    spec = bench.search.spec
    before_s = float((work.job.progress or {}).get("searched_s") or 0.0)
    done = sum(entry.origin != ARCHIVE for entry in history)
    pace = Pace(spec["budget"]["evaluations"] + len(inside), before_s, done=done)
    first: list[Evaluation] = []
    try:
        if spec.get("archive") and not history:
            from service.archive import adopted, guessed  # loads scipy, which other searches can do without

            history = adopted(work, bench, problem)
            first = guessed(work, problem, history)
        with executor_for(work, bench) as executor:
            for notice in (*spec.get("notices", ()), *executor.notices):
                work.report(pace.progress() | {"notice": notice}, event="notice")
            budget = _budget(spec, before_s)
            for evaluation in search(problem, strategy, executor, budget, list(history), inside, first):
                pace.count()
                work.patiently(partial(store_evaluation, work, bench, evaluation, pace.progress()))
                history.append(evaluation)
                work.check()
    except Infeasible as error:
        return _infeasible(problem, error)
    except SearchError as error:
        raise JobFailed("The search failed", str(error)) from error
    return finish(work, bench, problem, history, outside, pace)


def store_evaluation(work: Work, bench: Bench, evaluation: Evaluation, progress: dict[str, Any]) -> None:
    """Store an evaluation with its event and the search's progress, in one transaction under the lease."""
    with work.write() as tx:
        identifier = evaluations.add(
            tx, work.job.id, new_evaluation(evaluation), bench.revisions, work.job.attempt
        )
        if identifier is None:
            return
        jobs.progress(tx, work.hold.lease, progress)
        values = {score.metric: score.value for score in reversed(evaluation.scores)}
        payload = {"id": identifier, "origin": evaluation.origin, "state": evaluation.state, "values": values}
        events.append(
            tx, work.job.id, "evaluation", payload | {"progress": progress, "error": evaluation.error}
        )


def finish(
    work: Work,
    bench: Bench,
    problem: Problem,
    history: Sequence[Evaluation],
    outside: Sequence[Outside],
    pace: Pace,
) -> Outcome:
    """Check the front, store it as an immutable record, and say how the search went."""
    check = partial(check_front, work, bench, pace.progress())
    front, checked = verified_front(check, problem, history, outside)
    failed = sum(evaluation.state == "failed" for evaluation in history)
    front_id = new_id()
    document = json.loads(front.to_json())
    document |= {
        "id": front_id,
        "search_id": work.job.id,
        "provenance": _provenance(bench),
        **checked.document(ids_of(work)),
    }
    with work.write() as tx:
        searches.store_front(tx, front_id, work.job.id, json.dumps(document))
    result = {
        "front_id": front_id,
        "members": len(front.members),
        "hypervolume": front.hypervolume,
        "failed": failed,
    }
    result["validation"] = _validation(history, len(checked.of("verified")))
    result["outside"] = [{"name": entry.name, "reason": entry.reason} for entry in outside]
    state = State.PARTIALLY_SUCCEEDED if failed else State.SUCCEEDED
    return Outcome(state, result | pace.result() | {"infeasible": _nearest(problem, history, front)})


@contextmanager
def executor_for(work: Work, bench: Bench) -> Iterator[Executor]:
    """Yield the executor that the settings ask for, closed at the end."""
    settings = work.store.settings
    attempts = 2
    if settings.executor == "local":
        from search.executors.local import LocalExecutor

        with LocalExecutor(bench.factory, attempts=attempts) as local:
            yield local
        return
    with _on_ray(settings, bench, attempts) as cluster:
        yield cluster


@contextmanager
def _on_ray(settings: Settings, bench: Bench, attempts: int) -> Iterator[Executor]:
    """Yield an executor on Ray; what goes wrong with Ray itself is tried again with a new one.

    Raises:
        NotReady: Ray did not start, or has no CPU.
        TryAgain: Ray, or what it runs, broke down.
    """
    import ray
    from ray.exceptions import RayError

    from search.executors.ray import RayExecutor
    from service.ray_cluster import check_address, export_token

    check_address(settings)
    export_token(settings)
    workers = bench.search.spec["budget"]["parallel"]
    try:
        executor = RayExecutor(
            bench.factory, workers=workers, attempts=attempts, address=settings.ray_address
        )
    except Exception as error:
        ray.shutdown()
        raise NotReady(f"Ray did not start: {error}") from error
    try:
        with executor:
            yield executor
    except (RayError, WorkerFailed, ConnectionError, TimeoutError) as error:
        raise TryAgain(f"{type(error).__name__}: {error}") from error
    finally:
        ray.shutdown()


def _problem(bench: Bench) -> Problem:
    space = Space.load(bench.space)
    spec = bench.search.spec
    return Problem(
        space,
        objectives_of(spec),
        constraints_of(spec),
        seed=spec["seed"],
        cheap=bench.costs,
        many=bench.many(space),
    )


def _strategy(bench: Bench) -> Strategy:
    spec = bench.search.spec
    return load(spec["strategy"], **spec["options"])


def _budget(spec: Any, before_s: float) -> Budget:
    """Return the budget, less the wall time that earlier attempts used."""
    wall_s = spec["budget"]["wall_s"]
    left_s = None if wall_s is None else max(wall_s - before_s, 1e-3)
    budget = spec["budget"]
    return Budget(evaluations=budget["evaluations"], seconds=left_s, flat=budget.get("flat"))


def _validation(history: Sequence[Evaluation], verified: int) -> dict[str, int | None] | None:
    """Return how many of the validation images the search scored, and how many necks were scored on all of
    them in the end; None where nothing was scored on images.
    """
    scores = (score for entry in history for score in entry.scores if score.images is not None)
    first = next(scores, None)
    if first is None:
        return None
    return {"images": first.images, "of_images": first.of_images, "verified": verified}


def _provenance(bench: Bench) -> dict[str, Any]:
    return {
        "supernet_id": bench.search.supernet_id,
        "device_revision": bench.revisions.device,
        "dataset_revision": bench.revisions.dataset,
        "evaluator_revision": bench.revisions.evaluator,
        "spec": dict(bench.search.spec),
    }


def _infeasible(problem: Problem, error: Infeasible) -> Outcome:
    nearest = problem.candidate(error.genotype)
    scores = [score.to_record() for score in nearest.scores]
    found = {"detail": str(error), "bound": error.bound, "value": error.value, "tried": error.tried}
    return Outcome(result={"infeasible": found | {"genotype": list(error.genotype), "scores": scores}})


def _nearest(problem: Problem, history: Sequence[Evaluation], front: ParetoFront) -> dict[str, Any] | None:
    """Return what came nearest when nothing met the constraints, None if something did."""
    scored = [entry for entry in history if entry.state == "ok"]
    if front.members or not scored:
        return None
    best = min(scored, key=lambda entry: sum(problem.violations(entry)))
    detail = f"infeasible: none of {len(scored)} architectures meets " + ", ".join(
        map(str, problem.constraints)
    )
    return {"detail": detail, "key": best.key, "scores": [score.to_record() for score in best.scores]}
