"""One seeded search on Ray whose evaluations go to a file, so that it can be killed and go on.

python -m benchmarks.landscapes.interrupted FILE EVALUATIONS
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.landscapes.stacked import Scorer, Stacked, Truth, problem
from evaluators.score import Score
from search.budget import Budget
from search.evaluation import Evaluation
from search.execution import Evaluator, Executor
from search.executors.ray import RayExecutor
from search.loop import search
from search.problem import Problem
from search_space.architecture import Architecture

SPACE = Stacked({3: 16})
WORKERS = 2
SECONDS = 0.05
"""An evaluation takes so long on Ray, so that kills meet it at work."""


def question() -> Problem:
    """Return the problem that is searched."""
    return problem(SPACE, seed=11, reference=(0.2, 4e6))


def scorer() -> Scorer:
    """Return the factory of evaluators."""
    return Scorer(Truth(0), SPACE)


@dataclass(frozen=True)
class Slow:
    """A factory of evaluators that take their time."""

    scorer: Scorer
    seconds: float = SECONDS

    def __call__(self) -> Evaluator:
        """Return the evaluator."""
        return self.score

    def score(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return the invented accuracy after a while."""
        time.sleep(self.seconds)
        return self.scorer.score(architecture)


def stored(path: Path) -> list[Evaluation]:
    """Return the evaluations of a file; a line cut short by a kill is cut off."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if len(whole) < len(text):
        path.write_text(whole, encoding="utf-8")
    return [Evaluation.from_record(json.loads(line)) for line in whole.splitlines()]


def go_on(path: Path, evaluations: int, executor: Executor) -> None:
    """Search from what the file holds and append each evaluation before the next is asked for."""
    history = stored(path)
    with path.open("a", encoding="utf-8") as file:
        for entry in search(question(), "nsga2", executor, Budget(evaluations=evaluations), history):
            file.write(entry.to_json() + "\n")
            file.flush()
            os.fsync(file.fileno())


if __name__ == "__main__":
    with RayExecutor(Slow(scorer()), workers=WORKERS) as cluster:
        go_on(Path(sys.argv[1]), int(sys.argv[2]), cluster)
