"""One seeded search on Ray whose evaluations go to a file, so that it can be killed and go on.

python -m benchmarks.landscapes.interrupted FILE EVALUATIONS
"""

import json
import os
import sys
from pathlib import Path

from benchmarks.landscapes.stacked import Scorer, Stacked, Truth, problem
from search.budget import Budget
from search.evaluation import Evaluation
from search.execution import Executor
from search.executors.ray import RayExecutor
from search.loop import search
from search.problem import Problem

SPACE = Stacked({3: 16})
WORKERS = 2


def question() -> Problem:
    """Return the problem that is searched."""
    return problem(SPACE, seed=11, reference=(0.2, 4e6))


def scorer() -> Scorer:
    """Return the factory of evaluators."""
    return Scorer(Truth(0), SPACE)


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
    with RayExecutor(scorer(), workers=WORKERS) as cluster:
        go_on(Path(sys.argv[1]), int(sys.argv[2]), cluster)
