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
    boxes, classes_of = _padded(targets, classes)
    winner = _winners(boxes, classes_of < classes, points, spec)
    labels = classes_of.gather(1, winner)
    learned = boxes.gather(1, winner[..., None].expand(-1, -1, 4))
    return Assignment.of(classes, labels, learned * (labels < classes)[..., None], points)


def _padded(targets: Sequence[Targets], classes: int) -> tuple[Tensor, Tensor]:
    """Return boxes `(B, n + 1, 4)` and labels `(B, n + 1)`; those that an image lacks are no box, no class.

    The last one of every image is lacking: it is what locations learn where there is nothing.
    """
    count = max((len(image.labels) for image in targets), default=0) + 1
    boxes = torch.zeros(len(targets), count, 4)
    labels = torch.full((len(targets), count), classes, dtype=torch.int64)
    for index, image in enumerate(targets):
        boxes[index, : len(image.boxes)] = image.boxes
        labels[index, : len(image.labels)] = image.labels
    return boxes, labels


def _winners(boxes: Tensor, found: Tensor, points: Tensor, spec: AssignmentSpec) -> Tensor:
    """Return `(B, N)` int64, which of the boxes that are `found` each location learns, or the last one."""
    sides = boxes[..., 2:] - boxes[..., :2]
    levels = sorted({int(level) for level in points[:, 3].unique()})
    same = (points[:, 3, None] == spec.level_of(sides.amax(-1), levels)[:, None].to(points.dtype)) & found[
        :, None
    ]
    offset = points[:, None, :2] - (boxes[..., :2] + sides / 2)[:, None]  # (B, N, n, 2)
    inside = (offset.abs() < sides[:, None] / 2).all(-1)
    central = (offset.abs() < spec.radius * points[:, None, 2:3]).all(-1)
    candidate = same & inside & central  # (B, N, n)
    distance = offset.norm(dim=-1).masked_fill(~same, torch.inf)
    image, lonely = (found & ~candidate.any(1)).nonzero(as_tuple=True)
    candidate[image, distance.argmin(1)[image, lonely], lonely] = True
    areas = sides.prod(-1)[:, None].expand(candidate.shape).masked_fill(~candidate, torch.inf)
    smallest, winner = areas.min(-1)
    return winner.masked_fill(smallest.isinf(), boxes.shape[1] - 1)
