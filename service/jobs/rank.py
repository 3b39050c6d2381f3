"""Estimates how truly a supernet ranks; each measured architecture is an event, so that a later attempt
goes on behind it.
"""

from __future__ import annotations

import time
from dataclasses import asdict

import torch

from evaluators.accuracy import AccuracyEvaluator
from evaluators.errors import EvaluatorError
from evaluators.ranking import Ranked, RankingSpec, estimate, rank
from service import trained
from service.scoring import dataset_folder
from service.stores import events, jobs, rankings, supernets
from service.work import JobFailed, Outcome, Work
from supernet.errors import SupernetError


def run(work: Work) -> Outcome:
    """Measure what no earlier attempt has measured, then say how well the orders agree."""
    torch.set_num_threads(work.store.settings.torch_threads)
    options = {name: value for name, value in work.job.request.items() if name != "supernet"}
    try:
        spec = RankingSpec(**options)
        made = _measured(work, spec)
        found = estimate(made, spec)
    except (EvaluatorError, SupernetError) as error:
        raise JobFailed("The ranking could not be estimated", str(error)) from error
    return Outcome(result={"ranking": found.to_record()})


def _measured(work: Work, spec: RankingSpec) -> list[Ranked]:
    with work.store.database.read() as tx:
        made = [Ranked.from_record(event.payload) for event in rankings.rows(tx, work.job.id)]
    if len(made) == spec.architectures:
        return made
    evaluator = _evaluator(work)
    began_s, before = time.monotonic(), len(made)
    for row in rank(evaluator, spec, {row.key for row in made}):
        made.append(row)
        eta_s = (time.monotonic() - began_s) / (len(made) - before) * (spec.architectures - len(made))
        with work.write() as tx:
            events.append(tx, work.job.id, rankings.ROW, asdict(row))
            progress = {"step": len(made), "total": spec.architectures, "eta_s": eta_s}
            jobs.progress(tx, work.hold.lease, progress)
        work.check()
    return made


def _evaluator(work: Work) -> AccuracyEvaluator:
    with work.store.database.read() as tx:
        supernet = supernets.get(tx, work.job.request["supernet"])
    assert supernet is not None, work.job.request
    return AccuracyEvaluator(
        trained.fetch(work.store, supernet.id),
        dataset_folder(work.store, supernet),
        limit_bytes=work.store.settings.feature_limit_bytes,
    )
