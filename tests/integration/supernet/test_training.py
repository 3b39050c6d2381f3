"""Training: what it leaves, how it goes on after a kill, how it stops."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from supernet.backbone import BackboneSpec
from supernet.detection.losses import LossSpec
from supernet.detector import load_detector
from supernet.errors import DatasetError, TrainingDiverged, UnknownRule, WeightMismatch
from supernet.tasks.detection import DetectionSpec
from supernet.training.checkpoint import NAME, load_checkpoint, write_whole
from supernet.training.errors import CheckpointMismatch, InvalidTraining
from supernet.training.features import CachedFeatures, JoinedFeatures
from supernet.training.rule import names
from supernet.training.run import TrainingEvent, build_trainer, train
from supernet.training.spec import TrainingSpec
from supernet.training.states import read_state, write_state


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "supernet.safetensors")


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    differing = [name for name in one if not torch.equal(one[name], other[name])]
    assert not differing


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the uninterrupted training of `small`."""
    folder = tmp_path_factory.mktemp("whole")
    spec = TrainingSpec(
        str(digits),
        space={"space": "fusion_grid", "widths": [8, 12], "stages": [1, 2]},
        steps=8,
        batch_size=4,
        checkpoint_every=3,
        event_every=2,
        learning_rate=1e-3,
    )
    for _ in train(spec, folder):
        pass
    return folder


def test_events_say_how_far_it_is_and_each_group_loses(small: TrainingSpec, tmp_path: Path) -> None:
    events = list(train(small, tmp_path))
    assert [(event.step, event.total) for event in events] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert set(events[0].losses) == {"largest"}  # the kickstart
    assert set(events[-1].losses) == {"largest", "random", "smallest"}
    for event in events:
        assert event.loss is not None and 0 < event.loss < 10
        assert event.images_per_s is not None and event.images_per_s > 0
    assert events[-1].eta_s == 0 and events[0].eta_s is not None and events[0].eta_s > 0


def test_a_finished_training_loads_as_it_was(whole: Path) -> None:
    detector = load_detector(whole)
    assert not detector.training and detector.image_size == (64, 64)
    assert [category.name for category in detector.categories] == [str(digit) for digit in range(10)]
    assert detector.space.spec()["channels"] == {"3": 64, "4": 96, "5": 128}
    assert_equal(dict(detector.state_dict()), weights(whole))
    architecture = detector.space.architecture(detector.space.largest())
    features = detector.backbone(torch.rand(2, 3, 64, 64))
    statistics = detector.calibrate(architecture, [features])
    subnet = detector.neck.extract(architecture, statistics=statistics.neck)
    expected = detector.neck(features, architecture, statistics=statistics.neck)
    assert all(torch.equal(subnet(features)[level], expected[level]) for level in expected)


def test_stopping_to_iterate_keeps_a_checkpoint_that_goes_on_bit_for_bit(
    small: TrainingSpec, whole: Path, tmp_path: Path
) -> None:
    for event in train(small, tmp_path):
        if event.step == 4:
            break
    kept = load_checkpoint(tmp_path, small)
    assert kept is not None and kept[0] == 3 and not (tmp_path / "supernet.json").exists()
    assert [event.step for event in train(small, tmp_path)] == [4, 6, 8]
    assert_equal(weights(tmp_path), weights(whole))
    again = list(train(small, tmp_path))
    assert again == [TrainingEvent(8, 8)]
    assert_equal(weights(tmp_path), weights(whole))


PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from supernet.training.run import train
from supernet.training.spec import TrainingSpec
for event in train(TrainingSpec.from_json(sys.argv[1]), sys.argv[2]):
    print(event.step, flush=True)
"""


def killed_at(spec: TrainingSpec, folder: Path, step: int) -> None:
    """Train in a process of its own and kill it once that step is reported; nothing if it ends before."""
    command = [sys.executable, "-c", PROGRAM, spec.to_json(), str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) >= step:
                run.send_signal(signal.SIGKILL)
                break
        run.stdout.close()
        run.wait()


@pytest.mark.slow
def test_killed_at_random_steps_it_ends_with_the_same_weights(
    small: TrainingSpec, whole: Path, tmp_path: Path
) -> None:
    spec = replace(small, checkpoint_every=1, event_every=1)
    for step in (2, 5):
        killed_at(spec, tmp_path, step)
    for _ in train(spec, tmp_path):
        pass
    assert_equal(weights(tmp_path), weights(whole))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_twenty_kills_change_nothing(small: TrainingSpec, tmp_path: Path) -> None:
    spec = replace(small, steps=120, checkpoint_every=2, event_every=1)
    for _ in train(spec, tmp_path / "whole"):
        pass
    for step in sorted(np.random.default_rng(0).integers(1, 119, size=20).tolist()):
        killed_at(spec, tmp_path / "killed", step)
    for _ in train(spec, tmp_path / "killed"):
        pass
    assert_equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


def test_half_precision_and_aligned_variance_train_and_resume(small: TrainingSpec, tmp_path: Path) -> None:
    spec = replace(small, precision="bfloat16", align_variance=True, checkpoint_every=2)
    events = list(train(spec, tmp_path / "whole"))
    assert all(event.loss is not None and 0 < event.loss < 20 for event in events)
    for event in train(spec, tmp_path / "parts"):
        if event.step == 4:
            break
    for _ in train(spec, tmp_path / "parts"):
        pass
    assert_equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_the_teachers_features_are_learned_where_they_have_weight(small: TrainingSpec) -> None:
    taught = replace(small, task=DetectionSpec(loss=LossSpec(feature_weight=1.0)))
    losses = [build_trainer(spec).advance(5) for spec in (small, taught)]
    for draw, plain, more in zip(losses[0].draws, losses[0].values, losses[1].values, strict=True):
        assert (more > plain + 1e-4) == draw.learns and (more == plain) != draw.learns


def test_a_half_written_checkpoint_is_never_seen(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"old")

    def fail(draft: Path) -> None:
        draft.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / NAME, fail)
    assert (tmp_path / NAME).read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("rule", names())
def test_every_rule_trains(small: TrainingSpec, tmp_path: Path, rule: str) -> None:
    spec = replace(small, rule=rule, steps=4, event_every=4, subnets=2)
    before = build_trainer(spec).detector.state_dict()
    (event,) = train(spec, tmp_path)
    assert event.loss is not None and event.loss > 0
    after = weights(tmp_path)
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("backbone"))


def test_a_loss_that_is_no_number_names_step_and_architecture_and_keeps_the_weights(
    small: TrainingSpec,
) -> None:
    trainer = build_trainer(small)
    trainer.advance(0)
    with torch.no_grad():
        trainer.detector.head.weights.learned["head/predict:bias"].fill_(float("nan"))
    before = {name: tensor.clone() for name, tensor in trainer.detector.named_parameters()}
    largest = trainer.detector.space.architecture(trainer.detector.space.largest()).key
    with pytest.raises(
        TrainingDiverged, match=f"step 1: the loss is nan for the largest architecture {largest}"
    ):
        trainer.advance(1)
    assert_equal(
        {name: t.nan_to_num() for name, t in before.items()},
        {name: t.detach().nan_to_num() for name, t in trainer.detector.named_parameters()},
    )


def test_the_backbones_gradient_is_that_of_the_summed_losses(small: TrainingSpec) -> None:
    """One backbone pass with accumulated feature gradients equals a full pass for each subnet."""
    trainer = build_trainer(replace(small, steps=1, clip=1e9))
    trainer.optimizer.zero_grad()
    draws = tuple(trainer.rule.draws(0, np.random.default_rng([small.seed, 17, 0])))
    trainer.detector.train()
    trainer._backward(0, draws, trainer.source.batch(0))
    ours = {n: p.grad.clone() for n, p in trainer.detector.backbone.named_parameters() if p.grad is not None}

    trainer.optimizer.zero_grad()
    teacher: Tensor | None = None
    for draw in draws:
        batch = trainer.source.batch(0)
        architecture = trainer.detector.space.architecture(draw.genotype)
        outputs = trainer.detector(batch.maps, architecture)
        targets = trainer.detector.task.targets(batch.targets, batch.maps, (3, 4, 5))
        trainer.detector.task.loss(outputs, targets, teacher if draw.learns else None).backward()
        teacher = outputs.detach() if draw.teaches else teacher
    for name, parameter in trainer.detector.backbone.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=2e-3, atol=1e-5)


@pytest.fixture
def pretrained(whole: Path, tmp_path: Path) -> BackboneSpec:
    prefix = "backbone.model."
    found = {n.removeprefix(prefix): t for n, t in weights(whole).items() if n.startswith(prefix)}
    save_file(found, tmp_path / "backbone.safetensors")
    return BackboneSpec("plain", str(tmp_path / "backbone.safetensors"), frozen=True)


@pytest.mark.parametrize("copies", [0, 2])
def test_a_frozen_backbone_stays_as_it_was(
    small: TrainingSpec, whole: Path, pretrained: BackboneSpec, tmp_path: Path, copies: int
) -> None:
    spec = replace(small, backbone=pretrained, feature_copies=copies, rule="single_path")
    assert isinstance(build_trainer(spec).source, CachedFeatures) == bool(copies)
    for _ in train(spec, tmp_path / "run"):
        pass
    old, new = weights(whole), weights(tmp_path / "run")
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert {name for name in old if name.startswith("backbone.")} <= same
    assert not all(name in same for name in old if name.startswith("neck."))
    assert load_detector(tmp_path / "run").spec.backbone.name == "plain"


def test_cached_features_are_those_of_the_backbone(small: TrainingSpec, pretrained: BackboneSpec) -> None:
    trainer = build_trainer(replace(small, backbone=pretrained, feature_copies=1))
    source = trainer.source
    assert isinstance(source, CachedFeatures)
    batch = source.batch(3)
    loader = source.loader
    images = loader.source.pixels(loader.indices(3)).float() / 255
    with torch.no_grad():
        expected = trainer.detector.backbone.eval()(images)
    for level, maps in batch.maps.items():
        torch.testing.assert_close(maps, expected[level], rtol=2e-3, atol=2e-3)
    wanted = [loader.source.targets[i].boxes for i in loader.indices(3)]
    assert all(torch.equal(t.boxes, boxes) for t, boxes in zip(batch.targets, wanted, strict=True))


def test_joined_features_are_those_of_several_steps(small: TrainingSpec, pretrained: BackboneSpec) -> None:
    source = build_trainer(replace(small, backbone=pretrained, feature_copies=1)).source
    joined, parts = JoinedFeatures(source, 2).batch(3), [source.batch(6), source.batch(7)]
    for level, maps in joined.maps.items():
        assert torch.equal(maps, torch.cat([part.maps[level] for part in parts]))
        assert maps.is_contiguous(memory_format=torch.channels_last)
    boxes = [targets.boxes for part in parts for targets in part.targets]
    assert len(boxes) == 2 * small.batch_size == len(joined.targets)
    assert all(torch.equal(t.boxes, own) for t, own in zip(joined.targets, boxes, strict=True))
    assert torch.equal(JoinedFeatures(source, 1).batch(6).maps[3], parts[0].maps[3])


def refusals() -> Iterator[tuple[str, dict[str, object], type[Exception], str]]:
    yield "dataset", {"dataset": "/nowhere"}, DatasetError, "/nowhere: not found"
    yield "rule", {"rule": "sandwhich"}, UnknownRule, "did you mean 'sandwich'"
    yield "size", {"image_limit": 16}, DatasetError, "image size 16 is under the stride 32"
    yield "subnets", {"rule": "multi_arch"}, InvalidTraining, "too few for batch norm"
    yield "backbone", {"backbone": BackboneSpec("resnet19")}, UnknownRule, "did you mean"


@pytest.mark.parametrize(
    ("change", "error", "message"), [r[1:] for r in refusals()], ids=[r[0] for r in refusals()]
)
def test_bad_input_is_named_before_the_first_step(
    small: TrainingSpec, tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        next(train(replace(small, **change), tmp_path))  # type: ignore[arg-type]
    assert not (tmp_path / NAME).exists()


def test_a_pretrained_file_that_does_not_fit_is_listed_before_the_first_step(
    small: TrainingSpec, whole: Path, pretrained: BackboneSpec, tmp_path: Path
) -> None:
    file = Path(str(pretrained.pretrained_file))
    kept = load_file(file)
    del kept["down.0.0.weight"]
    save_file({**kept, "down.1.1.bias": torch.zeros(5)}, file)
    with pytest.raises(
        WeightMismatch, match=r"missing: down\.0\.0\.weight; misshapen: down\.1\.1\.bias is \(5,\)"
    ):
        next(train(replace(small, backbone=pretrained), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_training_is_refused_with_what_differs(
    small: TrainingSpec, tmp_path: Path
) -> None:
    next(train(replace(small, checkpoint_every=1), tmp_path))
    other = replace(small, seed=5, space={**small.space, "widths": [8]})
    with pytest.raises(CheckpointMismatch, match=r"space was .*\[8, 12\].* is .*\[8\].*; seed was 0, is 5"):
        next(train(other, tmp_path))
    content = read_state(tmp_path / NAME)
    older = json.loads(content["spec"])
    del older["align_variance"], older["task"]["loss"]["feature_weight"]
    write_state(tmp_path / NAME, {**content, "spec": json.dumps(older)})
    assert load_checkpoint(tmp_path, small) is not None  # options that came later are at their defaults
    write_state(tmp_path / NAME, {**content, "schema_version": 9})
    with pytest.raises(CheckpointMismatch, match="schema 9 is newer than 2; upgrade neckline"):
        next(train(small, tmp_path))
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-1])
    with pytest.raises(CheckpointMismatch, match=r"not a state that was written whole .* delete it"):
        next(train(small, tmp_path))


def test_folders_without_a_whole_supernet_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightMismatch, match="holds no trained supernet"):
        load_detector(tmp_path)
    card = json.loads((whole / "supernet.json").read_text())
    (tmp_path / "supernet.safetensors").write_bytes((whole / "supernet.safetensors").read_bytes())
    (tmp_path / "supernet.json").write_text(json.dumps({**card, "schema_version": 7}))
    with pytest.raises(WeightMismatch, match="schema 7 is newer"):
        load_detector(tmp_path)
    card["space"]["widths"] = [16]
    (tmp_path / "supernet.json").write_text(json.dumps(card))
    with pytest.raises(WeightMismatch, match=r"does not fit supernet\.json"):
        load_detector(tmp_path)
