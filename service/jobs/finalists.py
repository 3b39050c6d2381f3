"""Fine-tunes finalists of a search by Ray Tune with ASHA, and stores what they reach."""

from __future__ import annotations

import os
from typing import Any

from evaluators.finetuning import Schedule
from search.errors import SearchError
from search.evaluation import Evaluation
from search.finalists import Rounds, fine_tuned
from service.history import read_evaluation
from service.ray_cluster import check_address, export_token
from service.scoring import FinalistFactory, ScorerFactory, open_bench
from service.stores import evaluations, jobs
from service.work import JobFailed, Outcome, TryAgain, Work

METRIC = "ap"


def run(work: Work) -> Outcome:
    """Train them all, as far as each deserves it."""
    from ray.exceptions import RayError

    request, settings = work.job.request, work.store.settings
    named = {name: request[name] for name in ("steps", "learning_rate", "warmup", "seed")}
    factory = open_bench(work.store, request["search"]).factory
    assert isinstance(factory, ScorerFactory), factory
    workers = min(settings.parallel, os.cpu_count() or 1, len(request["subnet_ids"]))
    rounds = Rounds(request["rounds"], reduction=request["reduction"], workers=workers)
    work.report({"step": 0, "total": len(request["subnet_ids"])})
    check_address(settings)
    export_token(settings)
    training = FinalistFactory(factory, Schedule(**named), rounds.most)
    try:
        found = fine_tuned(_finalists(work), training, METRIC, rounds, address=settings.ray_address)
    except SearchError as error:
        raise JobFailed("The finalists could not be trained", str(error)) from error
    except (RayError, ConnectionError, TimeoutError) as error:
        raise TryAgain(f"{type(error).__name__}: {error}") from error
    work.check()
    return Outcome(result={"finalists": _stored(work, found)})


def _finalists(work: Work) -> list[Evaluation]:
    with work.store.database.read() as tx:
        stored = evaluations.by_ids(tx, work.job.request["subnet_ids"])
        documents = evaluations.architectures_of(tx, [entry.key for entry in stored])
    return [read_evaluation(entry, documents[entry.key]) for entry in stored]


def _stored(work: Work, found: list[Evaluation]) -> list[dict[str, Any]]:
    """Store the new scores with the job's progress, and return what became of each finalist, best first."""
    with work.write() as tx:
        ids = {entry.key: entry.id for entry in evaluations.by_ids(tx, work.job.request["subnet_ids"])}
        result = [_record(ids[entry.key], entry) for entry in found]
        for entry in result:
            for score in entry["scores"]:
                evaluations.add_score(tx, entry["subnet_id"], score)
        jobs.progress(tx, work.hold.lease, {"step": len(found), "total": len(found)})
    return sorted(result, key=_rank)


def _record(subnet_id: str, entry: Evaluation) -> dict[str, Any]:
    scores = [score.to_record() for score in entry.scores if score.source == "fine-tuned"]
    state = {"subnet_id": subnet_id, "state": entry.state, "error": entry.error}
    return {**state, "scores": scores if entry.state == "ok" else []}


def _rank(entry: dict[str, Any]) -> tuple[bool, float]:
    """Return what is smaller for a better finalist; those that went all the way, and thus were scored on all
    validation images, come before those stopped early on a part of them.
    """
    found = [score for score in entry["scores"] if score["metric"] == METRIC]
    is_partial = any(score.get("images") != score.get("of_images") for score in found)
    return is_partial, -max((score["value"] for score in found), default=-1.0)
