"""Trains one subnet briefly from the supernet's weights and stores what it then reaches."""

from __future__ import annotations

from dataclasses import replace

import torch

from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture
from service.scoring import ScorerFactory, open_bench
from service.stores import evaluations, jobs
from service.work import JobFailed, Outcome, Work
from supernet.errors import SupernetError


def run(work: Work) -> Outcome:
    """Train neck and head for the steps asked for, and store the scores beside the inherited ones."""
    torch.set_num_threads(work.store.settings.train_threads)
    subnet, steps = work.job.request["subnet"], work.job.request["steps"]
    with work.store.database.read() as tx:
        evaluation = evaluations.get(tx, subnet)
        assert evaluation is not None, subnet
        document = evaluations.architecture(tx, evaluation.key)
    assert document is not None, evaluation.key
    factory = open_bench(work.store, evaluation.search_id).factory
    assert isinstance(factory, ScorerFactory), factory
    work.report({"step": 0, "total": steps})
    try:
        found = AccuracyEvaluator(factory.workdir, factory.dataset).adapt(
            Architecture.from_json(document), steps
        )
    except SupernetError as error:
        raise JobFailed("The subnet could not be trained", str(error)) from error
    work.check()
    scores = [replace(score, source="fine-tuned").to_record() for score in found]
    with work.write() as tx:
        for score in scores:
            evaluations.add_score(tx, subnet, score)
        jobs.progress(tx, work.hold.lease, {"step": steps, "total": steps})
    return Outcome(result={"scores": scores})
