"""Which location learns which box: by size to a level, near the centre, the smallest box first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from supernet.data.loader import Targets


@dataclass(frozen=True)
class AssignmentSpec:
    """How boxes are given to locations.

    Attributes:
        limits: by level, the longest side in pixels that it takes; other levels take `strides_a_box` strides.
        strides_a_box: 5 sends boxes under 40 px to level 3, under 80 px to level 4, and so on.
        radius: how far from the centre a location may be, in strides, and still learn the box.
    """

    limits: Mapping[int, float] = field(default_factory=dict)
    strides_a_box: float = 5.0
    radius: float = 1.0

    def level_of(self, sides: Tensor, levels: Sequence[int]) -> Tensor:
        """Return the level of each box by its longest side in pixels; the last level takes what is left."""
        limits = [self.limits.get(level, self.strides_a_box * 2**level) for level in levels[:-1]]
        return torch.tensor(levels)[torch.bucketize(sides, torch.tensor(limits), right=True)]


@dataclass(frozen=True, eq=False)
class Assignment:
    """What each location of a batch is to say, the same for every subnet.

    Attributes:
        classes: number of classes; as a label it stands for "nothing here".
        labels: `(B, N)` int64.
        boxes: `(B, N, 4)`, left, top, right, bottom in pixels; zeros where there is nothing.
        points: `(N, 4)`, see `head.locations`.
        image, location: `(P,)` int64, where there is something.
    """

    classes: int
    labels: Tensor
    boxes: Tensor
    points: Tensor
    image: Tensor
    location: Tensor

    @classmethod
    def of(cls, classes: int, labels: Tensor, boxes: Tensor, points: Tensor) -> "Assignment":
        """Return the assignment with its positives listed."""
        image, location = (labels < classes).nonzero(as_tuple=True)
        return cls(classes, labels, boxes, points, image, location)

    @property
    def positives(self) -> int:
        """Number of locations that learn a box."""
        return len(self.image)

    def part(self, images: slice) -> "Assignment":
        """Return the assignment of some images of the batch."""
        return Assignment.of(self.classes, self.labels[images], self.boxes[images], self.points)

    def to(self, device: torch.device) -> "Assignment":
        """Return the assignment on that device."""
        return Assignment.of(
            self.classes, self.labels.to(device), self.boxes.to(device), self.points.to(device)
        )


def assign(targets: Sequence[Targets], points: Tensor, classes: int, spec: AssignmentSpec) -> Assignment:
    """Return what each location of each image is to say.

    A box is learned by the locations of its level inside it and within `radius` strides of its centre, or
    by the nearest one of its level where there is none. Where boxes compete the smallest wins.
    """
    found = [_assign_image(image, points, classes, spec) for image in targets]
    labels, boxes = (torch.stack(part) for part in zip(*found, strict=True))
    return Assignment.of(classes, labels, boxes, points)


def _assign_image(
    targets: Targets, points: Tensor, classes: int, spec: AssignmentSpec
) -> tuple[Tensor, Tensor]:
    labels = torch.full((len(points),), classes, dtype=torch.int64)
    boxes = points.new_zeros(len(points), 4)
    if len(targets.boxes):
        winner = _winners(targets.boxes, points, spec)
        taken = winner >= 0
        labels[taken] = targets.labels[winner[taken]]
        boxes[taken] = targets.boxes[winner[taken]]
    return labels, boxes


def _winners(boxes: Tensor, points: Tensor, spec: AssignmentSpec) -> Tensor:
    """Return `(N,)` int64, the box that each location learns, or -1."""
    sides = boxes[:, 2:] - boxes[:, :2]
    levels = sorted({int(level) for level in points[:, 3].unique()})
    same = points[:, None, 3] == spec.level_of(sides.amax(1), levels)[None].to(points.dtype)  # (N, n)
    offset = points[:, None, :2] - (boxes[:, :2] + sides / 2)[None]  # (N, n, 2)
    inside = (offset.abs() < sides[None] / 2).all(2)
    central = (offset.abs() < spec.radius * points[:, None, 2:3]).all(2)
    candidate = same & inside & central
    distance = offset.norm(dim=2).masked_fill(~same, torch.inf)
    lonely = ~candidate.any(0)
    candidate[distance.argmin(0)[lonely], lonely.nonzero()[:, 0]] = True
    areas = sides.prod(1).expand(len(points), -1).masked_fill(~candidate, torch.inf)
    smallest, winner = areas.min(1)
    return winner.masked_fill(smallest.isinf(), -1)
