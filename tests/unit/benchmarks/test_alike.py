"""Necks that begin alike get the same scores when what they share is run once."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.landscapes.alike import Alike
from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture
from search_space.space import Space
from supernet import graph
from supernet.data.digits import make_digits
from supernet.training.run import train
from supernet.training.spec import TrainingSpec

SPACE = {
    "space": "fusion_grid",
    "widths": [8, 12],
    "stages": [1, 2],
    "paths": ["top_down", "bottom_up", "parallel"],
    "skips": ["none", "laterals"],
    "fusions": ["sum", "fast", "concat"],
    "ops": ["dw3", "conv3"],
}


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> AccuracyEvaluator:
    root = tmp_path_factory.mktemp("alike")
    digits = make_digits(root / "digits", seed=1, train=24, val=12, image_size=64)
    spec = TrainingSpec(str(digits), space=SPACE, steps=6, batch_size=8, rule="single_path")
    for _ in train(spec, Path(root / "run")):
        pass
    return AccuracyEvaluator(root / "run", digits, calibration_images=40)


def necks(space: Space) -> list[Architecture]:
    """Return necks of two stages, three of which begin alike each time, and of other widths between."""
    rng = np.random.default_rng(3)
    second = next(i for i, gene in enumerate(space.genes) if gene.name.startswith("s2_"))
    found = []
    for _ in range(4):
        first = (int(rng.integers(2)), 1, *space.sample(rng)[2:second])
        found += [space.canonical((*first, *space.sample(rng)[second:])) for _ in range(3)]
    return [space.architecture(genotype) for genotype in found]


def neck_nodes(names: list[str], *stages: str) -> list[str]:
    """Return the names of the neck's nodes in some stages; the head's are the rest."""
    return [name for name in names if name.startswith(stages)]


@pytest.mark.parametrize("kept", [1, 60])
def test_scores_are_those_of_the_evaluator(evaluator: AccuracyEvaluator, kept: int) -> None:
    scorer = Alike(evaluator, kept)
    for neck in necks(evaluator.detector.space):
        plain = evaluator.outcome(neck)
        ap, loss = scorer.score(neck)
        assert loss == plain.loss
        assert ap == pytest.approx(plain.precision.ap, abs=1e-9)


def test_what_necks_share_is_run_once(evaluator: AccuracyEvaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    run_node = graph.run_node

    def counted(step: graph.NodePlan, *rest: object) -> object:
        ran.append(step.node.id)
        return run_node(step, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(graph, "run_node", counted)
    scorer = Alike(evaluator)
    one, other = necks(evaluator.detector.space)[:2]
    scorer.score(one)
    ran.clear()
    scorer.score(other)
    assert neck_nodes(ran, "s2_") and not neck_nodes(ran, "s1_", "lateral_")
    ran.clear()
    scorer.score(one)
    assert not neck_nodes(ran, "s1_", "s2_", "lateral_")
