"""Ray Tune with ASHA on a local Ray."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from evaluators.score import Score
from search.cluster import start
from search.errors import InvalidBudget
from search.evaluation import Evaluation
from search.finalists import Rounds, fine_tuned
from search_space.architecture import Architecture
from tests.unit.search import chain

SPACE = chain.ChainSpace()
GRAPHS = [SPACE.architecture(genotype) for genotype in SPACE.everything()[200:204]]
FINALISTS = [Evaluation(graph.key, None, graph, (Score("ap", 0.1, "1", "inherited"),)) for graph in GRAPHS]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    start(2)
    yield
    ray.shutdown()


class Training:
    """The first finalist gains the most a round, and so on; the last one breaks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, graph: Architecture) -> Iterator[tuple[Score, ...]]:
        place = [entry.key for entry in GRAPHS].index(graph.key)
        for step in range(1, 100):
            if place == 3:
                raise RuntimeError("out of memory")
            with (self.folder / str(place)).open("a") as file:
                file.write(".")
            yield (Score("ap", 0.2 + 0.01 * (2 - place) * step, "1", "fine-tuned"),)


def test_the_best_is_trained_to_the_end_and_the_broken_is_named(tmp_path: Path) -> None:
    found = fine_tuned(FINALISTS, Training(tmp_path), "ap", Rounds(9, grace=1, reduction=3, workers=1))
    assert [entry.key for entry in found] == [entry.key for entry in FINALISTS]
    assert [entry.state for entry in found] == ["ok", "ok", "ok", "failed"]
    assert found[3].error is not None and "out of memory" in found[3].error
    best = found[0].score("ap")
    assert best.value == pytest.approx(0.38) and best.source == "fine-tuned"
    assert [score.source for score in found[1].scores] == ["fine-tuned", "inherited"]
    spent = [len((tmp_path / str(place)).read_text()) for place in range(3)]
    assert spent == [9, 1, 1], "what is behind after the first round was stopped"


def test_no_finalists_cost_nothing() -> None:
    assert fine_tuned([], Training(Path()), "ap", Rounds(3)) == []


@pytest.mark.parametrize("limits", [{"most": 0}, {"most": 2, "grace": 3}, {"most": 2, "workers": 0}])
def test_rounds_that_cannot_be_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidBudget):
        Rounds(**limits)
