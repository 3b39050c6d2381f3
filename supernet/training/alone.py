"""One architecture trained alone: neck and head on a backbone's features, from any weights.

From first weights this is the truth that a supernet's ranking is held against; from inherited weights, for a
few dozen steps, it is the adaptation of a shortlist.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet import graph
from supernet.detection.head import flatten
from supernet.detector import Detector, DetectorStatistics
from supernet.errors import TrainingDiverged
from supernet.subnet import Subnet
from supernet.tasks.detection import Detection
from supernet.training.features import FeatureSource
from supernet.training.schedule import build_optimizer, learning_rate
from supernet.training.spec import TrainingSpec


class Alone(nn.Module):
    """A neck and its head that share nothing with others."""

    def __init__(self, neck: Subnet, head: Subnet) -> None:
        """Take the modules over."""
        super().__init__()
        self.neck, self.head = neck, head

    def forward(self, features: Mapping[int, Tensor]) -> Tensor:
        """Return `(B, N, classes + 4)`, see `detection.head.flatten`."""
        return flatten(self.head(self.neck(features)))

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Mapping[int, Tensor]]) -> None:
        """Set the norm statistics to their means over batches of backbone features."""
        kept = list(batches)
        _calibrate(self.neck, kept)
        self.neck.eval()
        _calibrate(self.head, [self.neck(features) for features in kept])


def _calibrate(subnet: Subnet, batches: Iterable[Mapping[int, Tensor]]) -> None:
    nodes = graph.plan(subnet.architecture)
    for index, features in enumerate(batches):
        momentum = 1 / (index + 1)
        graph.run(subnet.architecture, nodes, features, subnet, training=True, momentum=momentum)


def fresh(task: Detection, architecture: Architecture, seed: int) -> Alone:
    """Return the architecture with first weights of that seed, leaving torch's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = task.heads([architecture]).extract(task.head_of(architecture))
        return Alone(Subnet(architecture), head)


def inherited(
    detector: Detector, architecture: Architecture, statistics: DetectorStatistics | None = None
) -> Alone:
    """Return the architecture with its own copy of the supernet's weights."""
    neck = detector.neck.extract(architecture, statistics=statistics.neck if statistics else None)
    head = detector.task.head_of(architecture)
    return Alone(neck, detector.head.extract(head, statistics=statistics.head if statistics else None))


@dataclass(frozen=True)
class AloneSpec:
    """How an architecture is trained alone.

    Attributes:
        steps: optimizer steps.
        learning_rate: peak.
        warmup: share of the steps in which the rate rises.
        first_step: where in the order of the data it begins.
    """

    steps: int
    learning_rate: float = 4e-3
    warmup: float = 0.1
    first_step: int = 0


def train_alone(
    model: Alone, task: Detection, source: FeatureSource, spec: AloneSpec, recipe: TrainingSpec
) -> float:
    """Train `model` and return the mean loss of the last quarter of the steps, see `losses_alone`."""
    losses = list(losses_alone(model, task, source, spec, recipe))
    tail = losses[-max(1, len(losses) // 4) :]
    return sum(tail) / len(tail)


def losses_alone(
    model: Alone, task: Detection, source: FeatureSource, spec: AloneSpec, recipe: TrainingSpec
) -> Iterator[float]:
    """Train `model` in place and yield each step's loss; to stop is to stop iterating.

    Args:
        model: neck and head.
        task: their task.
        source: features; the backbone is not trained.
        spec: steps and rate.
        recipe: decay, clipping and final rate of the optimizer.

    Raises:
        TrainingDiverged: a loss is not finite.
    """
    schedule = _schedule(recipe, spec)
    optimizer = build_optimizer(model, schedule)
    levels = [level for level, _ in model.neck.architecture.outputs]
    for step in range(spec.steps):
        model.train()
        batch = source.batch(spec.first_step + step)
        assignment = task.targets(batch.targets, batch.maps, levels)
        loss = task.loss(model(batch.maps), assignment)
        value = float(loss.detach())
        if not math.isfinite(value):
            key = model.neck.architecture.key
            raise TrainingDiverged(f"step {step}: the loss of {key} is {value}; lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step)
        optimizer.step()
        yield value


def _schedule(recipe: TrainingSpec, spec: AloneSpec) -> TrainingSpec:
    return replace(recipe, steps=spec.steps, learning_rate=spec.learning_rate, warmup=spec.warmup)
