"""Fine-tunes the finalists of a search by Ray Tune, minutes each; ASHA stops the hopeless ones early.

Li et al., "A system for massively parallel hyperparameter tuning" (2020).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from evaluators.score import Score
from search.errors import InvalidBudget
from search.evaluation import Evaluation
from search.executors.ray import connect
from search.objectives import Objective
from search_space.architecture import Architecture

Train = Callable[[Architecture], Iterator[tuple[Score, ...]]]
"""Trains one architecture and yields its scores after each round; picklable. To stop is to stop iterating."""


@dataclass(frozen=True)
class Rounds:
    """How long finalists are trained.

    Attributes:
        most: rounds of the one that is never stopped.
        grace: rounds that each one gets.
        reduction: after `grace`, `grace * reduction`, ... rounds only the best 1 of `reduction` goes on.
        workers: finalists trained at a time, a CPU each.

    Raises:
        InvalidBudget: no rounds, more grace than rounds, or no worker.
    """

    most: int
    grace: int = 1
    reduction: int = 3
    workers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.grace <= self.most or self.reduction < 2 or self.workers < 1:
            raise InvalidBudget(
                f"fine-tuning needs 1 <= grace <= most, a reduction of 2 or more and a worker; got {self}"
            )


def fine_tuned(
    finalists: Sequence[Evaluation], train: Train, metric: str, rounds: Rounds, *, address: str | None = None
) -> list[Evaluation]:
    """Return the finalists with their last round's scores in front, in the order given.

    One whose training raised is returned as failed, with its error and the scores there were. `metric`
    decides who goes on. Ray is joined at `address`, or started where it is not running and stopped again.
    """
    if not finalists:
        return []
    owned = connect(rounds.workers, address)
    try:
        with TemporaryDirectory(prefix="finalists-") as folder:
            results = _tuner(finalists, train, metric, rounds, Path(folder)).fit()
            trials = [results[index] for index in range(len(results))]
            ended = {int(trial.config["place"]): trial for trial in trials if trial.config}
            return [_tuned(entry, ended[place]) for place, entry in enumerate(finalists)]
    finally:
        if owned:
            ray.shutdown()


def _tuner(
    finalists: Sequence[Evaluation], train: Train, metric: str, rounds: Rounds, folder: Path
) -> tune.Tuner:
    graphs = ray.put([entry.architecture for entry in finalists])

    def trial(config: dict[str, int]) -> None:
        graph = ray.get(graphs)[config["place"]]
        for _, scores in zip(range(rounds.most), train(graph), strict=False):
            cost = Objective(metric).to_cost(next(s.value for s in scores if s.metric == metric))
            tune.report({"cost": cost, "scores": [score.to_record() for score in scores]})

    scheduler = ASHAScheduler(
        time_attr="training_iteration",
        max_t=rounds.most,
        grace_period=rounds.grace,
        reduction_factor=rounds.reduction,
    )
    return tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"place": tune.grid_search(list(range(len(finalists))))},
        tune_config=tune.TuneConfig(
            metric="cost", mode="min", scheduler=scheduler, max_concurrent_trials=rounds.workers
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )


def _tuned(entry: Evaluation, result: object) -> Evaluation:
    """Return the finalist as its trial left it."""
    error = getattr(result, "error", None)
    if error is not None:
        return replace(entry, state="failed", error=str(error).strip().splitlines()[-1])
    records = getattr(result, "metrics", {})["scores"]
    return replace(entry, scores=tuple(Score.from_record(record) for record in records) + entry.scores)
