"""Anchor-free object detection, after FCOS (arXiv:1904.01355), without a centre-ness branch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from search_space.architecture import Architecture
from supernet.data.loader import Targets
from supernet.detection import head as heads
from supernet.detection.assignment import Assignment, AssignmentSpec, assign
from supernet.detection.decoding import DecodingSpec, Detections, decode
from supernet.detection.losses import LossSpec, feature_loss, label_loss, teacher_loss
from supernet.supernet import SuperNet


@dataclass(frozen=True)
class DetectionSpec:
    """The options of the task."""

    assignment: AssignmentSpec = field(default_factory=AssignmentSpec)
    loss: LossSpec = field(default_factory=LossSpec)
    decoding: DecodingSpec = field(default_factory=DecodingSpec)


@dataclass(frozen=True)
class Detection:
    """The task with its number of classes."""

    classes: int
    spec: DetectionSpec = field(default_factory=DetectionSpec)

    def heads(self, necks: Iterable[Architecture]) -> SuperNet:
        """Return the head shared by all `necks`, with its first weights."""
        return heads.heads(necks, self.classes)

    def head_of(self, neck: Architecture) -> Architecture:
        """Return the head that follows `neck`.

        Raises:
            InvalidArchitecture: the neck's outputs differ in width.
        """
        return heads.head_of(neck, self.classes)

    def targets(
        self, targets: Sequence[Targets], features: Mapping[int, Tensor], levels: Sequence[int]
    ) -> Assignment:
        """Return what the outputs at `levels` are to say, once for all subnets of a step."""
        points = heads.locations(output_sizes(features, levels))
        return assign(targets, points, self.classes, self.spec.assignment)

    def loss(self, outputs: Tensor, assignment: Assignment, teacher: Tensor | None = None) -> Tensor:
        """Return the scalar loss of `(B, N, classes + 4)` against the labels and a teacher, if any."""
        own = label_loss(outputs, assignment, self.spec.loss)
        if teacher is None:
            return own
        weight = self.spec.loss.teacher_weight
        return (1 - weight) * own + weight * teacher_loss(outputs, teacher, assignment, self.spec.loss)

    def feature_loss(self, features: Mapping[int, Tensor], teacher: Mapping[int, Tensor]) -> Tensor | None:
        """Return the weighted term between the outputs of two necks, None where it has no weight."""
        weight = self.spec.loss.feature_weight
        return weight * feature_loss(features, teacher) if weight else None

    def detect(self, outputs: Tensor, points: Tensor) -> Detections:
        """Return what `(B, N, classes + 4)` says to have found."""
        return decode(outputs, points, self.spec.decoding)


def output_sizes(features: Mapping[int, Tensor], levels: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return height and width at each level; those above the features' last halve it, rounding up."""
    found: dict[int, tuple[int, int]] = {}
    for level in sorted(levels):
        if level in features:
            found[level] = (features[level].shape[2], features[level].shape[3])
        else:
            top = max(features)
            height, width = features[top].shape[2:]
            shrink = 2 ** (level - top)
            found[level] = (-(-height // shrink), -(-width // shrink))
    return found
