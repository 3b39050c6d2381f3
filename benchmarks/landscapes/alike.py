"""Scores of necks that begin alike: a node that several of them share is run once.

A node sees the same tensors in the same batches as in `AccuracyEvaluator`, only all batches of one node run
before those of the next: the loss is the same bit for bit, and AP but for the last digits of a float64.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evaluators.accuracy import AccuracyEvaluator
from search_space.architecture import Architecture, Node
from supernet import graph
from supernet.detection.average_precision import AveragePrecision, Found
from supernet.detection.decoding import Detections
from supernet.detector import DetectorStatistics
from supernet.supernet import fresh_statistics

KEPT = 60
"""Nodes whose outputs are kept, the latest used ones: about 0.6 GiB for the demo's images."""
Batches = tuple[Tensor, ...]
Tensors = Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Outputs:
    """What one node, or one level of the backbone, gives, batch by batch `(B, C, H / 2**l, W / 2**l)`.

    Attributes:
        normed: of the calibration images, normalised by their own statistics.
        calibrated: of the same images by the statistics that were re-estimated from them.
        validation: of the validation images by those statistics.
    """

    normed: Batches
    calibrated: Batches
    validation: Batches


@dataclass(frozen=True)
class _Weights:
    tensors: Tensors

    def of(self, path: str) -> Mapping[str, Tensor]:
        return self.tensors.get(path, {})


class Alike:
    """Scores necks of one trained supernet, best one after the other that begin alike."""

    def __init__(self, evaluator: AccuracyEvaluator, kept: int = KEPT) -> None:
        """Score as `evaluator` does and keep the outputs of `kept` nodes."""
        self._evaluator, self._most = evaluator, kept
        self._kept: OrderedDict[int, Outputs] = OrderedDict()
        self._numbers: dict[tuple[Node, tuple[int, ...]], int] = {}

    @torch.no_grad()
    def score(self, architecture: Architecture) -> tuple[float, float]:
        """Return AP and loss on the validation images; AP's spread is left out."""
        detector, validation = self._evaluator.detector, self._evaluator.validation
        levels = [level for level, _ in architecture.outputs]
        nodes = self._outputs(architecture)
        by_level = {level: nodes[source] for level, source in architecture.outputs}
        calibrated = _by_batch({level: outputs.calibrated for level, outputs in by_level.items()})
        head = detector.head.calibrate(detector.task.head_of(architecture), calibrated)
        statistics = DetectorStatistics({}, head)
        necks = _by_batch({level: outputs.validation for level, outputs in by_level.items()})
        heads = [detector.predict(neck, architecture, statistics=statistics) for neck in necks]
        told = {id(features): found for features, found in zip(validation.features, heads, strict=True)}
        loss = validation.outcome(lambda features: told[id(features)], levels, precision=False).loss
        return _average_precision(validation.metric, validation.decoded(heads, levels)), loss

    def _outputs(self, architecture: Architecture) -> dict[str, Outputs]:
        """Return the outputs of every live node by its name, and those of the backbone."""
        view = self._evaluator.detector.neck.weights.view(architecture)
        found = {entry.id: self._features(entry.level) for entry in architecture.inputs}
        numbers = {entry.id: -entry.level for entry in architecture.inputs}
        sized = {entry.level: found[entry.id] for entry in architecture.inputs}
        for step in graph.plan(architecture):
            sources = tuple(numbers[source] for source, _ in step.edges)
            number = self._numbers.setdefault((step.node, sources), len(self._numbers))
            if number not in self._kept:
                self._kept[number] = _run(step, found, sized.get(step.node.level), view)
            self._kept.move_to_end(number)
            numbers[step.node.id], found[step.node.id] = number, self._kept[number]
            sized.setdefault(step.node.level, found[step.node.id])
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found

    def _features(self, level: int) -> Outputs:
        """Return what the backbone gives at a level."""
        calibration = tuple(features[level] for features in self._evaluator.calibration)
        validation = tuple(features[level] for features in self._evaluator.validation.features)
        return Outputs(calibration, calibration, validation)


def _average_precision(metric: AveragePrecision, detections: Detections) -> float:
    """Return the AP by the metric's own matching, which takes a fifth of faster-coco-eval's time."""
    if not len(detections.image):
        return 0.0
    every = np.ones((1, len(metric.records)))
    return float(metric.weighted(Found.of(detections, metric.scales), every)[0])


def _run(step: graph.NodePlan, found: Mapping[str, Outputs], like: Outputs | None, view: Tensors) -> Outputs:
    """Return a node's outputs from those of its sources; `like` has its level's size."""
    calls = [call for _, edge in step.edges for call in edge]
    calls += [*([step.fusion] if step.fusion else []), *step.calls]
    weights = _Weights({call.path: _own(view[call.path]) for call in calls if call.path in view})

    def ran(kind: str, training: bool) -> Batches:
        count = len(getattr(found[step.edges[0][0]], kind))
        outputs = []
        for index in range(count):
            arrived = {source: getattr(found[source], kind)[index] for source, _ in step.edges}
            shape = getattr(like, kind)[index].shape if like else None
            size = (shape[2], shape[3]) if shape else None
            momentum = 1 / (index + 1) if training else None
            outputs.append(graph.run_node(step, arrived, size, weights, training, momentum))
        return tuple(outputs)

    return Outputs(ran("normed", True), ran("calibrated", False), ran("validation", False))


def _own(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return an operation's tensors, a norm's with running statistics that are to be re-estimated."""
    return {**tensors, **fresh_statistics(tensors)} if "running_mean" in tensors else tensors


def _by_batch(levels: Mapping[int, Batches]) -> list[dict[int, Tensor]]:
    """Return the tensors of every level, batch by batch."""
    batches: Sequence[tuple[Tensor, ...]] = list(zip(*levels.values(), strict=True))
    return [dict(zip(levels, batch, strict=True)) for batch in batches]
