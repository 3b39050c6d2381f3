"""Fine-tuning: starts from inherited or first weights, repeats by seed, stops where it is left."""

import pytest
import torch

from evaluators.accuracy import AccuracyEvaluator
from evaluators.errors import InvalidSchedule
from evaluators.finetuning import FineTuning, Schedule, in_rounds
from search_space.architecture import Architecture
from supernet.data.digits import make_digits
from supernet.training.run import train
from supernet.training.spec import TrainingSpec


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> AccuracyEvaluator:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("finetuning")
    digits = make_digits(root / "digits", seed=1, train=16, val=6, image_size=64)
    space = {"space": "fusion_grid", "widths": [8], "stages": [1]}
    spec = TrainingSpec(str(digits), space=space, steps=4, batch_size=8, rule="single_path")
    for _ in train(spec, root / "run"):
        pass
    return AccuracyEvaluator(root / "run", digits, calibration_images=8)


@pytest.fixture(scope="module")
def neck(evaluator: AccuracyEvaluator) -> Architecture:
    return evaluator.detector.space.architecture(evaluator.detector.space.largest())


def test_it_trains_a_copy_and_names_its_source(evaluator: AccuracyEvaluator, neck: Architecture) -> None:
    before = {name: x.clone() for name, x in evaluator.detector.state_dict().items()}
    tuning = FineTuning(evaluator, neck, Schedule(steps=3))
    seen = list(tuning.run())
    assert [(p.step, p.total) for p in seen] == [(1, 3), (2, 3), (3, 3)] and all(p.loss > 0 for p in seen)
    assert {score.source for score in tuning.scores()} == {"fine-tuned"}
    assert all(torch.equal(x, before[name]) for name, x in evaluator.detector.state_dict().items())
    assert evaluator.score(neck)[0].source == "inherited"


def test_a_seed_repeats_to_the_bit_and_another_does_not(
    evaluator: AccuracyEvaluator, neck: Architecture
) -> None:
    losses = []
    for seed in (0, 0, 1):
        tuning = FineTuning(evaluator, neck, Schedule(steps=2, seed=seed))
        losses.append([progress.loss for progress in tuning.run()])
    assert losses[0] == losses[1] != losses[2]


def test_the_control_begins_from_first_weights(evaluator: AccuracyEvaluator, neck: Architecture) -> None:
    inherited = FineTuning(evaluator, neck, Schedule(steps=1))
    control = FineTuning(evaluator, neck, Schedule(steps=1), scratch=True)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(inherited.model.parameters(), control.model.parameters(), strict=True)
    )
    list(control.run())
    assert {score.source for score in control.scores()} == {"trained"}


def test_to_stop_is_to_stop_iterating(evaluator: AccuracyEvaluator, neck: Architecture) -> None:
    tuning = FineTuning(evaluator, neck, Schedule(steps=50))
    first = next(tuning.run())
    assert first.step == 1
    assert tuning.outcome().loss > 0


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"warmup": 1.0}])
def test_a_schedule_that_trains_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidSchedule, match=next(iter(wrong))):
        Schedule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("steps", "rounds", "seen"), [(4, 2, 2), (5, 3, 3), (1, 3, 1)])
def test_rounds_end_with_the_schedule(
    evaluator: AccuracyEvaluator, neck: Architecture, steps: int, rounds: int, seen: int
) -> None:
    tuning = FineTuning(evaluator, neck, Schedule(steps=steps))
    found = list(in_rounds(tuning, rounds))
    assert len(found) == seen
    assert found[-1] == tuning.scores()
