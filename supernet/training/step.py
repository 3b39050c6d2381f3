"""One training step: the backbone once, then each drawn subnet, then the backbone's gradient.

The features are detached; each subnet's backward pass adds to their gradients, and one backward pass through
the backbone follows. Targets are assigned once for all subnets.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet.detection.assignment import Assignment
from supernet.detector import Detector
from supernet.errors import TrainingDiverged
from supernet.training.features import FeatureBatch, FeatureSource
from supernet.training.rule import Architectures, Draw, Rule
from supernet.training.schedule import build_optimizer, learning_rate
from supernet.training.spec import TrainingSpec
from supernet.training.variance import Alignment
from supernet.training.workers import GradientMean, Workers


@dataclass(frozen=True)
class Losses:
    """The loss of each draw of a step, in order."""

    draws: tuple[Draw, ...]
    values: tuple[float, ...]


class Trainer:
    """A detector in training: its optimizer, its rule, its features."""

    def __init__(self, spec: TrainingSpec, detector: Detector, rule: Rule, source: FeatureSource) -> None:
        """Take up training from the detector's present weights."""
        self.spec, self.detector, self.rule, self.source = spec, detector, rule, source
        self.optimizer = build_optimizer(detector, spec)
        self.workers = Workers.joined()
        self._mean = GradientMean(self.workers, detector.parameters(), detector.backbone.parameters())
        self.alignment = Alignment(detector, spec) if spec.align_variance else None
        self._architectures = Architectures(detector.space)

    def advance(self, step: int) -> Losses:
        """Make one optimizer step and return its losses.

        Raises:
            TrainingDiverged: a loss or a gradient is not finite; the weights are still those before the step.
        """
        self.detector.train()
        self.optimizer.zero_grad(set_to_none=True)
        rng = np.random.default_rng([self.spec.seed, 17, step])
        draws = tuple(self.rule.draws(step, rng))
        with _precision(self.spec):
            batch = self.source.batch(step)
        values = self._backward(step, draws, batch)
        self._update(step)
        self.rule.update(step, values)
        return Losses(draws, values)

    def _backward(self, step: int, draws: Sequence[Draw], batch: FeatureBatch) -> tuple[float, ...]:
        """Leave the gradients of all draws in the parameters and return the losses."""
        leaves = {level: x.detach().requires_grad_(x.requires_grad) for level, x in batch.maps.items()}
        passes = _Passes(self.detector, leaves, batch)
        values: list[float] = []
        for draw in draws:
            architecture = self._architectures.of(draw.genotype)
            with _precision(self.spec):
                loss = passes.loss(draw, architecture)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingDiverged(_diverged(step, f"the loss is {value}", draw, architecture))
            (loss * draw.weight).backward()
            values.append(value)
        for module in (self.detector.neck, self.detector.head):
            self._mean.send(module.parameters())
        reached = [level for level, x in leaves.items() if x.grad is not None]
        if reached:
            torch.autograd.backward([batch.maps[k] for k in reached], [_gradient(leaves[k]) for k in reached])
        return tuple(values)

    def _update(self, step: int) -> None:
        self._mean.finish()
        if self.alignment is not None:
            self.alignment.scale_gradients()
        norm = nn.utils.clip_grad_norm_(self.detector.parameters(), self.spec.clip)
        if not torch.isfinite(norm):
            raise TrainingDiverged(
                f"step {step}: the gradient's norm is {float(norm)}; lower the learning rate"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.spec, step)
        self.optimizer.step()


@dataclass(frozen=True, eq=False)
class _Taught:
    """What a teacher said: `(B, N, classes + 4)`, and its neck's outputs by level."""

    outputs: Tensor
    features: Mapping[int, Tensor]

    def part(self, images: slice) -> "_Taught":
        return _Taught(self.outputs[images], {level: x[images] for level, x in self.features.items()})


class _Passes:
    """The subnets of one step, on the same features and targets."""

    def __init__(self, detector: Detector, leaves: Mapping[int, Tensor], batch: FeatureBatch) -> None:
        self._detector, self._leaves, self._batch = detector, leaves, batch
        self._assignments: dict[tuple[int, ...], Assignment] = {}
        self._teacher: _Taught | None = None

    def loss(self, draw: Draw, architecture: Architecture) -> Tensor:
        """Return the scalar loss of one draw."""
        assignment, features, images = self._assignment(architecture), self._leaves, slice(None)
        if draw.images is not None:
            images = slice(*draw.images)
            features = {level: x[images] for level, x in self._leaves.items()}
            assignment = assignment.part(images)
        neck = self._detector.neck(features, architecture)
        outputs = self._detector.predict(neck, architecture).float()
        teacher = self._teacher.part(images) if draw.learns and self._teacher is not None else None
        if draw.teaches:
            self._teacher = _Taught(outputs.detach(), {level: x.detach() for level, x in neck.items()})
        task = self._detector.task
        loss = task.loss(outputs, assignment, None if teacher is None else teacher.outputs)
        gap = None if teacher is None else task.feature_loss(neck, teacher.features)
        return loss if gap is None else loss + gap

    def _assignment(self, architecture: Architecture) -> Assignment:
        levels = tuple(level for level, _ in architecture.outputs)
        if levels not in self._assignments:
            made = self._detector.task.targets(self._batch.targets, self._leaves, levels)
            self._assignments[levels] = made.to(next(iter(self._leaves.values())).device)
        return self._assignments[levels]


def _precision(spec: TrainingSpec) -> torch.autocast:
    device = torch.device(spec.device).type
    return torch.autocast(device, torch.bfloat16, enabled=spec.precision == "bfloat16")


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def _diverged(step: int, problem: str, draw: Draw, architecture: Architecture) -> str:
    return (
        f"step {step}: {problem} for the {draw.group} architecture {architecture.key} "
        f"(genotype {list(draw.genotype)}); lower the learning rate or look at the labels"
    )
