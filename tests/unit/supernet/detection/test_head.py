"""The head: tied over levels, a norm a level, as wide as the neck; decoding of what it says."""

import math

import pytest
import torch

from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture
from search_space.ops.conv import Conv
from supernet.detection.decoding import DecodingSpec, decode
from supernet.detection.head import PRIOR, boxes_at, flatten, head, head_of, heads, locations


def neck(*widths: int) -> Architecture:
    inputs = tuple(Input(f"c{level}", level, 8) for level in range(3, 3 + len(widths)))
    nodes = tuple(
        Node(f"n{i.level}", i.level, w, (Edge(i.id, (Conv(width=w, kernel=1, share=f"lateral{i.level}"),)),))
        for i, w in zip(inputs, widths, strict=True)
    )
    return Architecture(inputs, nodes, tuple((node.level, node.id) for node in nodes))


def test_convolutions_are_tied_over_levels_and_norms_are_not() -> None:
    two, three = head((3, 4), 16, 5), head((3, 4, 5), 16, 5)
    tower, predict = 16 * 16 * 9, (16 * 9 + 1) * 9
    assert two.parameters() == tower + predict + 2 * 2 * 16
    assert three.parameters() - two.parameters() == 2 * 16


def test_the_head_follows_the_necks_width() -> None:
    shared = heads([neck(8, 8), neck(16, 16)], classes=3)
    for width in (8, 16):
        features = {3: torch.rand(2, width, 4, 4), 4: torch.rand(2, width, 2, 2)}
        outputs = shared(features, head_of(neck(width, width), 3))
        assert {level: tuple(x.shape) for level, x in outputs.items()} == {3: (2, 7, 4, 4), 4: (2, 7, 2, 2)}
        assert flatten(outputs).shape == (2, 20, 7)
    with pytest.raises(InvalidArchitecture, match=r"one output width; this one has \{3: 8, 4: 16\} by level"):
        head_of(neck(8, 16), 3)


def test_every_class_starts_at_the_prior() -> None:
    shared = heads([neck(16, 16)], classes=3).eval()
    features = {3: torch.zeros(1, 16, 4, 4), 4: torch.zeros(1, 16, 2, 2)}
    scores = flatten(shared(features, head_of(neck(16, 16), 3)))[..., :3].sigmoid()
    torch.testing.assert_close(scores, torch.full_like(scores, PRIOR))


def test_flattening_and_locations_have_one_order() -> None:
    outputs = {
        level: locations({level: (16 >> (level - 3),) * 2})[:, :2].T.reshape(1, 2, 16 >> (level - 3), -1)
        for level in (3, 4)
    }
    flat = flatten(outputs)[0]
    torch.testing.assert_close(flat, locations({3: (16, 16), 4: (8, 8)})[:, :2])


def test_distances_become_boxes() -> None:
    point = torch.tensor([[20.0, 12.0, 8.0, 3.0]])
    logarithms = torch.tensor([[1.0, 0.5, 2.0, 0.25]]).log()
    assert boxes_at(point, logarithms).tolist() == [[12, 8, 36, 14]]


def test_decoding_keeps_the_best_of_overlapping_boxes_of_one_class_and_image() -> None:
    points = locations({3: (1, 3)})  # centres at x = 4, 12, 20
    outputs = torch.full((2, 3, 2 + 4), -9.0)
    outputs[..., 2:] = math.log(0.5)
    outputs[:, :, 2:] = math.log(4.0)  # boxes of 64 px: neighbours overlap by far more than 0.6
    outputs[0, 0, 0], outputs[0, 1, 0], outputs[0, 2, 1], outputs[1, 1, 0] = 2.0, 3.0, 1.0, 0.0
    found = decode(outputs, points, DecodingSpec())
    kept = list(zip(found.image.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True))
    expected = [(0, 0, 3.0), (0, 1, 1.0), (1, 0, 0.0)]
    assert kept == [(i, c, pytest.approx(torch.tensor(s).sigmoid().item())) for i, c, s in expected]
    assert found.boxes[0].tolist() == [-20, -28, 44, 36]
    assert len(decode(outputs, points, DecodingSpec(most=1)).image) == 2
