"""`train`: an iterator of events; to stop iterating is to stop training, to call it again is to go on."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from supernet.data.coco import CocoDetection
from supernet.data.loader import Letterbox, Loader, image_size
from supernet.detector import CARD, WEIGHTS, Detector
from supernet.training.checkpoint import load_checkpoint, save_checkpoint, write_whole
from supernet.training.errors import InvalidTraining
from supernet.training.features import feature_source
from supernet.training.rule import Plan, load_rule
from supernet.training.spec import TrainingSpec
from supernet.training.step import Losses, Trainer
from supernet.training.warm import take_over
from supernet.training.workers import Workers


@dataclass(frozen=True)
class TrainingEvent:
    """How far a training has come.

    Attributes:
        step: steps made.
        total: steps to make.
        loss: mean over the subnets since the last event.
        losses: the same by class of architecture, such as "largest".
        images_per_s: training speed since the last event, images of a batch counted once.
        eta_s: seconds to the end at that speed.
    """

    step: int
    total: int
    loss: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    images_per_s: float | None = None
    eta_s: float | None = None


def train(spec: TrainingSpec, workdir: Path | str) -> Iterator[TrainingEvent]:
    """Train, and yield an event every `event_every` steps and at the end.

    Takes up the checkpoint in `workdir` by itself. At the end `supernet.safetensors` and `supernet.json` are
    there.

    Raises:
        DatasetError: the dataset cannot be used; the message names file, record and remedy.
        InvalidTraining: options that cannot train.
        CheckpointMismatch: the folder holds another training.
        WeightMismatch: the supernet to begin from does not fit.
        TrainingDiverged: a loss is not finite; the message names step and architecture.
    """
    folder = Path(workdir)
    kept = load_checkpoint(folder, spec)
    trainer = build_trainer(spec)
    first = 0
    if kept is not None:
        first, state = kept
        restore(trainer, state)
    meter = _Meter(spec, first, trainer.workers.count)
    for step in range(first, spec.steps):
        meter.add(trainer.advance(step))
        made = step + 1
        if trainer.workers.rank == 0 and (made % spec.checkpoint_every == 0 or made == spec.steps):
            save_checkpoint(folder, spec, made, snapshot(trainer))
        if made % spec.event_every == 0 and made < spec.steps:
            yield meter.event(made)
    if trainer.workers.rank == 0:
        write_detector(folder, trainer.detector)
    yield meter.event(spec.steps)


def build_trainer(spec: TrainingSpec) -> Trainer:
    """Return the training before its first step.

    Raises:
        DatasetError, InvalidTraining, WeightMismatch: see `train`.
    """
    dataset = CocoDetection.open(spec.dataset, "train")
    stride = 2 ** max(spec.levels)
    size = image_size(dataset, stride=stride, limit=spec.image_limit)
    if spec.batch_size * (size[0] // stride) * (size[1] // stride) < 2:
        raise InvalidTraining(
            f"images of {size} pixels leave one value for batch norm; use larger images or batches"
        )
    device = torch.device(spec.device)
    detector = build_detector(spec, dataset, size)
    if spec.warm_start is not None:
        take_over(detector, spec.warm_start)
    detector.to(device)
    source = Letterbox(dataset, size)
    workers = Workers.joined()
    loader = Loader(source, spec.batch_size, spec.seed, spec.augmentation, workers.rank, workers.count)
    plan = Plan(detector.space, spec.steps, spec.subnets, spec.batch_size, spec.rule_options)
    features = feature_source(detector.backbone, source, loader, spec.feature_copies, device)
    return Trainer(spec, detector, load_rule(spec.rule, plan), features)


def build_detector(spec: TrainingSpec, dataset: CocoDetection, size: tuple[int, int]) -> Detector:
    """Return a detector with the first weights of the spec's seed, leaving torch's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return Detector(spec, dataset.categories, size)


def snapshot(trainer: Trainer) -> dict[str, Any]:
    """Return all that a training has learned so far."""
    return {
        "detector": trainer.detector.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "rule": dict(trainer.rule.state()),
        "alignment": trainer.alignment.state() if trainer.alignment else {},
    }


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Take up what `snapshot` returned."""
    trainer.detector.load_state_dict(state["detector"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.rule.restore(state["rule"])
    if trainer.alignment:
        trainer.alignment.restore(state["alignment"])


def write_detector(folder: Path, detector: Detector) -> None:
    """Write what `load_detector` reads: the weights, then the card that says what they are."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()}
    write_whole(folder / WEIGHTS, lambda draft: save_file(tensors, draft))
    text = json.dumps(detector.card(), indent=2, sort_keys=True)
    write_whole(folder / CARD, lambda draft: draft.write_text(text))


class _Meter:
    """Losses and time since the last event."""

    def __init__(self, spec: TrainingSpec, first: int, workers: int) -> None:
        self._spec, self._last, self._workers = spec, first, workers
        self._clear()

    def _clear(self) -> None:
        self._began = time.monotonic()
        self._losses: dict[str, list[float]] = defaultdict(list)

    def add(self, losses: Losses) -> None:
        for draw, value in zip(losses.draws, losses.values, strict=True):
            self._losses[draw.group].append(value)

    def event(self, made: int) -> TrainingEvent:
        steps, seconds = made - self._last, max(time.monotonic() - self._began, 1e-9)
        total, values = self._spec.steps, [v for group in self._losses.values() for v in group]
        if not steps:
            return TrainingEvent(made, total)
        event = TrainingEvent(
            made,
            total,
            loss=sum(values) / len(values),
            losses={group: sum(found) / len(found) for group, found in self._losses.items()},
            images_per_s=steps * self._spec.batch_size * self._workers / seconds,
            eta_s=(total - made) * seconds / steps,
        )
        self._last = made
        self._clear()
        return event
