"""Label assignment, by hand-computed cases."""

import torch
from torch import Tensor

from supernet.data.loader import Targets
from supernet.detection.assignment import AssignmentSpec, assign
from supernet.detection.head import locations

SIZES = {3: (16, 16), 4: (8, 8), 5: (4, 4)}
FIRST_OF_LEVEL = {3: 0, 4: 256, 5: 320}


def targets(*boxes: list[float]) -> Targets:
    return Targets(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.arange(len(boxes)))


def learned(labels: Tensor, classes: int) -> dict[int, list[int]]:
    return {
        label: (labels == label).nonzero()[:, 0].tolist()
        for label in labels.unique().tolist()
        if label < classes
    }


def test_locations_are_pixel_centres_level_after_level() -> None:
    points = locations(SIZES)
    assert points.shape == (336, 4)
    assert points[0].tolist() == [4, 4, 8, 3] and points[17].tolist() == [12, 12, 8, 3]
    assert points[256].tolist() == [8, 8, 16, 4] and points[335].tolist() == [112, 112, 32, 5]


def test_boxes_go_to_the_level_of_their_longest_side() -> None:
    sides = torch.tensor([7.0, 39.9, 40.0, 79.0, 80.0, 500.0])
    assert AssignmentSpec().level_of(sides, [3, 4, 5]).tolist() == [3, 3, 4, 4, 5, 5]
    moved = AssignmentSpec(limits={3: 10.0, 4: 20.0})
    assert moved.level_of(sides, [3, 4, 5]).tolist() == [3, 5, 5, 5, 5, 5]


def test_a_box_is_learned_near_its_centre_only() -> None:
    assignment = assign([targets([0, 0, 32, 32])], locations(SIZES), 3, AssignmentSpec(radius=1.0))
    # centre (16, 16): of the level's points (4, 12, 20, ...) those within 8 px are 12 and 20
    assert learned(assignment.labels[0], 3) == {0: [16 + 1, 16 + 2, 32 + 1, 32 + 2]}
    assert assignment.positives == 4
    assert assignment.boxes[0, 17].tolist() == [0, 0, 32, 32] and not assignment.boxes[0, 0].any()


def test_a_box_between_all_points_is_learned_by_the_nearest() -> None:
    assignment = assign([targets([5.0, 5.0, 7.0, 7.5])], locations(SIZES), 1, AssignmentSpec())
    assert learned(assignment.labels[0], 1) == {0: [0]}


def test_where_boxes_compete_the_smallest_wins() -> None:
    assignment = assign(
        [targets([0, 0, 38, 38], [8, 8, 17, 17])], locations(SIZES), 2, AssignmentSpec(radius=1.5)
    )
    found = learned(assignment.labels[0], 2)
    # both reach (12, 12), the point 17; the larger one has eight more between 12 and 28
    assert found[1] == [17] and len(found[0]) == 8 and 17 not in found[0]


def test_large_boxes_go_up_and_images_without_objects_teach_nothing() -> None:
    assignment = assign([targets([10, 10, 100, 110]), targets()], locations(SIZES), 1, AssignmentSpec())
    assert all(index >= FIRST_OF_LEVEL[5] for index in learned(assignment.labels[0], 1)[0])
    assert (assignment.labels[1] == 1).all()
    part = assignment.part(slice(1, 2))
    assert part.positives == 0 and part.labels.shape == (1, 336)


def test_a_batch_learns_what_each_of_its_images_learns_alone() -> None:
    images = [
        targets([5.0, 5.0, 7.0, 7.5]),
        targets(),
        targets([0, 0, 38, 38], [8, 8, 17, 17], [10, 10, 100, 110], [40, 2, 40, 9]),
    ]
    points, spec = locations(SIZES), AssignmentSpec()
    together = assign(images, points, 4, spec)
    for index, image in enumerate(images):
        alone = assign([image], points, 4, spec)
        assert torch.equal(together.labels[index], alone.labels[0])
        assert torch.equal(together.boxes[index], alone.boxes[0])
