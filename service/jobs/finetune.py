"""Fine-tunes one subnet by the user's schedule: scores before and after, and the new weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from evaluators.accuracy import AccuracyEvaluator, levels_of
from evaluators.finetuning import FineTuning, Schedule
from evaluators.score import Score
from search_space.architecture import Architecture
from service.scoring import ScorerFactory, open_bench
from service.stores import evaluations, jobs
from service.work import JobFailed, Outcome, Work
from supernet.errors import SupernetError
from supernet.export import safetensors

REPORT_S = 1.0


def run(work: Work) -> Outcome:
    """Train neck and head, and the control where asked for; store scores and weights."""
    torch.set_num_threads(work.store.settings.train_threads)
    try:
        evaluator, architecture = _subject(work)
        schedule = _schedule(work.job.request)
        ready = evaluator.calibrated(architecture)
        before = evaluator.whole.outcome(ready, levels_of(architecture)).scores("inherited")
        tuning = FineTuning(evaluator, architecture, schedule)
        after = _trained(work, tuning, "fine-tuning")
        control = _control(work, evaluator, architecture, schedule)
    except SupernetError as error:
        raise JobFailed("The subnet could not be trained", str(error)) from error
    digest = _keep(work, tuning)
    records = [score.to_record() for score in after]
    with work.write() as tx:
        for record in records:
            evaluations.add_score(tx, work.job.request["subnet"], record)
        jobs.progress(tx, work.hold.lease, {"step": schedule.steps, "total": schedule.steps})
    result = {"before": [score.to_record() for score in before], "scores": records, "control": control}
    return Outcome(result=result | {"files": {"weights": digest}})


def _subject(work: Work) -> tuple[AccuracyEvaluator, Architecture]:
    with work.store.database.read() as tx:
        evaluation = evaluations.get(tx, work.job.request["subnet"])
        assert evaluation is not None, work.job.request
        document = evaluations.architecture(tx, evaluation.key)
    assert document is not None, evaluation.key
    factory = open_bench(work.store, evaluation.search_id).factory
    assert isinstance(factory, ScorerFactory), factory
    return factory.evaluator(), Architecture.from_json(document)


def _schedule(request: Mapping[str, Any]) -> Schedule:
    names = ("steps", "learning_rate", "warmup", "seed")
    return Schedule(**{name: request[name] for name in names if name in request})


def _control(
    work: Work, evaluator: AccuracyEvaluator, architecture: Architecture, schedule: Schedule
) -> list[dict[str, object]] | None:
    """Return the scores of the subnet trained from first weights, None where nobody asked for it."""
    if not work.job.request.get("control"):
        return None
    tuning = FineTuning(evaluator, architecture, schedule, scratch=True)
    return [score.to_record() for score in _trained(work, tuning, "control")]


def _trained(work: Work, tuning: FineTuning, stage: str) -> tuple[Score, ...]:
    """Train to the end, unless asked to stop; report, but not more often than need be."""
    reported_s = 0.0
    began_s = time.monotonic()
    for progress in tuning.run():
        work.check()
        now_s = time.monotonic()
        if now_s - reported_s >= REPORT_S or progress.step == progress.total:
            eta_s = (now_s - began_s) / progress.step * (progress.total - progress.step)
            found = {"stage": stage, "step": progress.step, "total": progress.total, "loss": progress.loss}
            work.report(found | {"eta_s": eta_s}, event="progress")
            reported_s = now_s
    return tuning.scores()


def _keep(work: Work, tuning: FineTuning) -> str:
    """Put the trained weights into the artifact store and return their sha256."""
    work.check()
    with tempfile.TemporaryDirectory(prefix="neckline-") as scratch:
        target = Path(scratch) / "weights.safetensors"
        target.write_bytes(safetensors.dump(tuning.model.state_dict()))
        return work.store.files.put(target)[0]
