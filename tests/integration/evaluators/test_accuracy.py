"""Scoring by inherited weights and after adaptation: calibrated first, repeatable, sources named."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from evaluators.accuracy import ADAPTATION, AccuracyEvaluator, Adaptation
from evaluators.errors import OtherDataset
from evaluators.score import Score
from search_space.architecture import Architecture
from supernet.data.digits import make_digits
from supernet.errors import DatasetError, WeightMismatch
from supernet.training.run import train
from supernet.training.spec import TrainingSpec


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A supernet trained for a few steps, and its dataset."""
    root = tmp_path_factory.mktemp("accuracy")
    digits = make_digits(root / "digits", seed=1, train=24, val=8, image_size=64)
    space = {"space": "fusion_grid", "widths": [8, 12], "stages": [1, 2]}
    spec = TrainingSpec(
        str(digits), space=space, steps=12, batch_size=8, rule="single_path", learning_rate=2e-3
    )
    for _ in train(spec, root / "run"):
        pass
    return root / "run", digits


@pytest.fixture(scope="module")
def evaluator(folders: tuple[Path, Path]) -> AccuracyEvaluator:
    return AccuracyEvaluator(*folders, calibration_images=16)


@pytest.fixture
def largest(evaluator: AccuracyEvaluator) -> Architecture:
    return evaluator.detector.space.architecture(evaluator.detector.space.largest())


def by_metric(scores: tuple[Score, ...]) -> Mapping[str, Score]:
    return {score.metric: score for score in scores}


def test_scores_name_their_source_and_error(evaluator: AccuracyEvaluator, largest: Architecture) -> None:
    scores = by_metric(evaluator.score(largest))
    assert {"ap", "ap50", "ap_small", "val_loss"} <= set(scores) and "ap_large" not in scores
    assert {score.source for score in scores.values()} == {"inherited"}
    assert 0 <= scores["ap"].value <= scores["ap50"].value <= 1
    assert scores["ap"].stderr is not None and scores["val_loss"].value > 0


def test_scoring_changes_nothing_and_repeats(evaluator: AccuracyEvaluator, largest: Architecture) -> None:
    before = {name: tensor.clone() for name, tensor in evaluator.detector.state_dict().items()}
    space = evaluator.detector.space
    first = evaluator.score(largest)
    evaluator.score(space.architecture(space.smallest()))
    assert evaluator.score(largest) == first
    after = evaluator.detector.state_dict()
    assert not [name for name in before if not torch.equal(before[name], after[name])]


def test_the_norms_of_each_architecture_are_estimated_again(
    evaluator: AccuracyEvaluator, largest: Architecture
) -> None:
    statistics = evaluator.statistics(largest)
    own = evaluator.detector.neck.weights.view(largest)
    path = next(path for path in statistics.neck if "running_mean" in own[path])
    assert not torch.equal(statistics.neck[path]["running_mean"], own[path]["running_mean"])
    assert statistics.head and evaluator.statistics(largest) is statistics


def test_adaptation_improves_the_fit_and_leaves_the_supernet_alone(
    evaluator: AccuracyEvaluator, largest: Architecture
) -> None:
    before = {name: tensor.clone() for name, tensor in evaluator.detector.state_dict().items()}
    inherited = by_metric(evaluator.score(largest))["val_loss"].value
    adapted = by_metric(evaluator.adapt(largest, 25))
    assert {score.source for score in adapted.values()} == {"adapted"}
    assert adapted["val_loss"].value < inherited - 0.02
    assert adapted == by_metric(evaluator.adapt(largest, 25))
    after = evaluator.detector.state_dict()
    assert not [name for name in before if not torch.equal(before[name], after[name])]


def test_an_adaptation_joins_batches_and_takes_its_rate(
    evaluator: AccuracyEvaluator, largest: Architecture
) -> None:
    losses = {
        adaptation: evaluator.outcome_alone(evaluator.adapted(largest, 4, adaptation)).loss
        for adaptation in (ADAPTATION, Adaptation(batches=1), Adaptation(learning_rate=1e-3))
    }
    assert len(set(losses.values())) == 3 and ADAPTATION.batches > 1
    assert evaluator.outcome_alone(evaluator.adapted(largest, 4)).loss == losses[ADAPTATION]


def test_fewer_images_can_be_scored(folders: tuple[Path, Path], largest: Architecture) -> None:
    few = AccuracyEvaluator(*folders, images=2, calibration_images=16)
    assert sum(len(next(iter(f.values()))) for f in few.validation.features) == 2
    assert few.score(largest) and few.validation.images == 2


def test_features_that_would_fill_the_memory_are_left_out(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    an_image = 4 * (64 * 64 + 96 * 16 + 128 * 4)
    monkeypatch.setattr("evaluators.validation.FEATURE_BYTES", 3 * an_image)
    assert AccuracyEvaluator(*folders, calibration_images=16).validation.images == 3


def test_unusable_folders_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, digits = folders
    with pytest.raises(WeightMismatch, match="holds no trained supernet"):
        AccuracyEvaluator(tmp_path, digits)
    with pytest.raises(DatasetError, match="not found"):
        AccuracyEvaluator(run, tmp_path)


def test_a_supernet_of_another_dataset_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, digits = folders
    other = tmp_path / "letters"
    shutil.copytree(digits, other)
    for split in ("train", "val"):
        path = other / split / "annotations.json"
        document = json.loads(path.read_text())
        document["categories"] = [
            {**entry, "name": f"letter {entry['name']}"} for entry in document["categories"]
        ]
        path.write_text(json.dumps(document))
    with pytest.raises(OtherDataset, match="another dataset: its 10 classes and the dataset's 10 differ in"):
        AccuracyEvaluator(run, other)
