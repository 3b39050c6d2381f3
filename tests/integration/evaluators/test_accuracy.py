"""Scoring by inherited weights and after adaptation: calibrated first, repeatable, sources named."""

import json
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators.accuracy import ADAPTATION, AccuracyEvaluator, Adaptation, levels_of
from evaluators.errors import OtherDataset
from evaluators.finetuning import FineTuning, Schedule, in_rounds
from evaluators.outsiders import AnyNeck
from evaluators.score import Score
from evaluators.validation import Features, Tally, Validation
from search_space.architecture import Architecture
from search_space.space import Space
from supernet.data.coco import CocoDetection
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


AN_IMAGE = 4 * (64 * 64 + 96 * 16 + 128 * 4)
"""Bytes of an image's features."""


@pytest.fixture(scope="module")
def partial(folders: tuple[Path, Path]) -> AccuracyEvaluator:
    """The same with memory for the features of three of the eight images."""
    return AccuracyEvaluator(*folders, calibration_images=16, limit_bytes=3 * AN_IMAGE)


def test_of_features_that_would_fill_the_memory_a_part_is_kept(
    evaluator: AccuracyEvaluator, partial: AccuracyEvaluator, largest: Architecture
) -> None:
    assert (partial.validation.images, partial.validation.of_images) == (3, 8)
    scores = by_metric(partial.score(largest))
    assert {(s.images, s.of_images, s.is_partial) for s in scores.values()} == {(3, 8, True)}
    every = by_metric(evaluator.score(largest))
    assert {(s.images, s.of_images, s.is_partial) for s in every.values()} == {(8, 8, False)}
    assert scores["val_loss"] != every["val_loss"]


def test_the_part_is_drawn_at_random_and_always_the_same(folders: tuple[Path, Path]) -> None:
    found = [
        AccuracyEvaluator(*folders, calibration_images=16, limit_bytes=3 * AN_IMAGE).validation.metric.records
        for _ in range(2)
    ]
    ids = [[record.id for record in records] for records in found]
    assert ids[0] == ids[1] == sorted(ids[0]) and len(set(ids[0])) == 3
    everyone = [record.id for record in CocoDetection.open(folders[1], "val").images]
    assert ids[0] != everyone[:3]


def test_all_images_are_scored_without_keeping_their_features(
    evaluator: AccuracyEvaluator, partial: AccuracyEvaluator, largest: Architecture
) -> None:
    space = evaluator.detector.space
    necks = [largest, space.architecture(space.smallest())]
    tallies = [Tally(partial.calibrated(neck), levels_of(neck)) for neck in necks]
    assert list(partial.whole.scan(tallies)) == [8]
    found = [partial.whole.judged(tally).scores("inherited") for tally in tallies]
    assert found == [evaluator.score(neck) for neck in necks]
    assert evaluator.whole is evaluator.validation


def test_batch_by_batch_scores_are_those_of_cached_features(
    folders: tuple[Path, Path],
    evaluator: AccuracyEvaluator,
    partial: AccuracyEvaluator,
    largest: Architecture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evaluators.validation.BATCH", 3)
    live = Validation(partial.detector, CocoDetection.open(folders[1], "val"), live=True)
    kept = Validation(evaluator.detector, CocoDetection.open(folders[1], "val"))
    alive: list[weakref.ref[Tensor]] = []
    counts: list[int] = []

    def run(features: Features) -> Tensor:
        alive.append(weakref.ref(next(iter(features.values()))))
        counts.append(sum(entry() is not None for entry in alive))
        return partial.calibrated(largest)(features)

    found = live.outcome(run, levels_of(largest))
    assert found == kept.outcome(evaluator.calibrated(largest), levels_of(largest))
    assert len(counts) == 3 and max(counts) <= 2, "a batch's features go when the next are there"


def test_a_neck_without_weights_is_trained_for_the_part_and_for_all_images(
    folders: tuple[Path, Path], partial: AccuracyEvaluator
) -> None:
    channels = {str(level): count for level, count in partial.detector.space.channels.items()}
    wider = Space.load({"space": "fusion_grid", "channels": channels, "widths": [16], "stages": [1]})
    neck = wider.architecture(wider.smallest())
    scorer = AnyNeck(partial, schedule=Schedule(steps=1))
    (first, *_) = scorer(neck)
    assert (first.source, first.images) == ("trained", 3)
    tally = Tally(scorer.ready(neck)[0], levels_of(neck))
    assert list(partial.whole.scan([tally])) == [8]
    whole = AccuracyEvaluator(*folders, calibration_images=16)
    again = AnyNeck(whole, schedule=Schedule(steps=1))(neck)
    assert partial.whole.judged(tally).scores("trained") == again


def test_a_brief_training_can_be_stopped(partial: AccuracyEvaluator) -> None:
    channels = {str(level): count for level, count in partial.detector.space.channels.items()}
    wider = Space.load({"space": "fusion_grid", "channels": channels, "widths": [16], "stages": [1]})

    def stop() -> None:
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        AnyNeck(partial, schedule=Schedule(steps=50), check=stop)(wider.architecture(wider.smallest()))


def test_an_adapted_shortlist_is_scored_on_all_images(
    evaluator: AccuracyEvaluator, partial: AccuracyEvaluator, largest: Architecture
) -> None:
    adapted = partial.adapt(largest, 2)
    assert not any(score.is_partial for score in adapted)
    assert adapted == evaluator.adapt(largest, 2)
    tuning = FineTuning(partial, largest, Schedule(steps=2))
    assert [scores[0].images for scores in in_rounds(tuning, 2)] == [3, 8]


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
