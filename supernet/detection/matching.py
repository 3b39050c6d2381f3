"""Which detections find an object, by COCO's protocol, for many settings at once.

After pycocotools' `evaluateImg`: within an image and a class the detections choose in the order of their
scores, each the object not yet taken that it overlaps most, one that counts before one that is ignored
(a crowd region, or an object outside the setting's range of areas). All images and classes advance together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from supernet.data.coco import ImageRecord
from supernet.detection.decoding import Detections, rank

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
MOST = 100
"""Detections an image and class that are looked at."""


@dataclass(frozen=True, eq=False)
class Found:
    """Detections in the pixels of the original images, as arrays; see `Detections`."""

    image: Integers
    boxes: Floats
    scores: Floats
    labels: Integers

    @classmethod
    def of(cls, detections: Detections, scales: Floats) -> Self:
        """Return the detections in the pixels of the original images."""
        image = detections.image.cpu().numpy()
        boxes = detections.boxes.cpu().numpy().astype(np.float64) / scales[image][:, None]
        scores = detections.scores.cpu().numpy().astype(np.float64)
        return cls(image, boxes, scores, detections.labels.cpu().numpy())

    @cached_property
    def areas(self) -> Floats:
        """In square pixels."""
        return np.asarray((self.boxes[:, 2:] - self.boxes[:, :2]).prod(1))

    def ranked(self, identifiers: Integers) -> Self:
        """Return the detections by class, best first, at most `MOST` of an image and class.

        Equal scores keep the order of their images' identifiers, then their own.
        """
        by_image = np.argsort(identifiers[self.image], kind="stable")
        order = by_image[np.lexsort((-self.scores[by_image], self.labels[by_image]))]
        group = self.labels[order] * len(identifiers) + self.image[order]
        by_group = np.argsort(group, kind="stable")
        order = order[np.sort(by_group[rank(group[by_group]) < MOST])]
        return type(self)(self.image[order], self.boxes[order], self.scores[order], self.labels[order])


class Objects:
    """The labelled objects of all images, by image and class.

    Attributes:
        image, labels, boxes, crowd, areas: of each object.
        ignored: (ranges, objects), whether it does not count in a range of areas.
    """

    def __init__(self, records: Sequence[ImageRecord], classes: int, ranges: Floats) -> None:
        """Take the objects; `ranges` is (ranges, 2), smallest and largest area in square pixels."""
        self.classes, self.ranges = classes, ranges
        image = np.repeat(np.arange(len(records)), [len(r.labels) for r in records])
        labels = np.concatenate([r.labels for r in records]).astype(np.int64)
        order = np.argsort(image * classes + labels, kind="stable")
        self.image, self.labels = image[order], labels[order]
        self.boxes = np.concatenate([r.boxes.reshape(-1, 4) for r in records]).astype(np.float64)[order]
        self.crowd = np.concatenate([r.crowd for r in records]).astype(np.bool_)[order]
        self.areas: Floats = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
        self.group = self.image * classes + self.labels
        self.ignored: Flags = self.crowd | outside(self.areas, ranges)


def outside(areas: Floats, ranges: Floats) -> Flags:
    """Return (ranges, n), whether each area lies outside each range."""
    return (areas < ranges[:, :1]) | (areas > ranges[:, 1:])


@dataclass(frozen=True, eq=False)
class Matches:
    """What each detection is, (ranges, thresholds, D): it found an object that counts, or it is ignored."""

    hits: Flags
    ignored: Flags


def match(found: Found, objects: Objects, thresholds: Floats) -> Matches:
    """Return the matches of detections that are ranked (see `Found.ranked`) at each IoU threshold."""
    settings = len(objects.ranges), len(thresholds)
    hits = np.zeros((*settings, len(found.image)), dtype=np.bool_)
    ignored = np.zeros_like(hits)
    taken = np.zeros((*settings, len(objects.labels)), dtype=np.bool_)
    for pairs in _rounds(found, objects, float(thresholds.min())):
        _choose(pairs, objects, thresholds, taken, hits, ignored)
    unmatched = ~(hits | ignored)
    ignored |= unmatched & outside(found.areas, objects.ranges)[:, None]
    return Matches(hits, ignored)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Detections of one round, each with all objects that it overlaps enough, side by side.

    Attributes:
        detection, object, overlap: of each pair.
        first: where each detection's pairs begin.
    """

    detection: Integers
    object: Integers
    overlap: Floats
    first: Integers

    @cached_property
    def sizes(self) -> Integers:
        """Pairs of each detection."""
        return np.diff(np.append(self.first, len(self.detection)))


def _rounds(found: Found, objects: Objects, least: float) -> list[_Pairs]:
    """Return the pairs in rounds: of an image and class one detection a round, the best first."""
    detection, thing = _same_group(found, objects)
    overlap = _overlap(found.boxes[detection], objects.boxes[thing], objects.crowd[thing])
    near = np.flatnonzero(overlap >= min(least, 1 - 1e-10))
    detection, thing, overlap = detection[near], thing[near], overlap[near]
    there, position = np.unique(detection, return_inverse=True)
    group = found.image[there] * objects.classes + found.labels[there]
    order = np.argsort(group, kind="stable")
    turn = np.empty(len(there), dtype=np.int64)
    turn[order] = rank(group[order])
    of_pair = turn[position]
    rounds = [np.flatnonzero(of_pair == number) for number in range(int(turn.max(initial=-1)) + 1)]
    return [_pairs(detection[mine], thing[mine], overlap[mine]) for mine in rounds]


def _pairs(detection: Integers, thing: Integers, overlap: Floats) -> _Pairs:
    first = np.flatnonzero(np.append(True, detection[1:] != detection[:-1]))
    return _Pairs(detection, thing, overlap, first)


def _same_group(found: Found, objects: Objects) -> tuple[Integers, Integers]:
    """Return every pair of a detection with an object of its image and class."""
    group = found.image * objects.classes + found.labels
    first = np.searchsorted(objects.group, group)
    count = np.searchsorted(objects.group, group, side="right") - first
    detection = np.repeat(np.arange(len(group)), count)
    return detection, np.repeat(first, count) + rank(detection)


def _overlap(boxes: Floats, others: Floats, crowd: Flags) -> Floats:
    """Return the IoU (n,); with a crowd region the share of the box that lies in it."""
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    shared = np.maximum(sides, 0).prod(1)
    own, other = ((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others))
    return np.asarray(shared / np.maximum(np.where(crowd, own, own + other - shared), 1e-12))


def _choose(
    pairs: _Pairs, objects: Objects, thresholds: Floats, taken: Flags, hits: Flags, ignored: Flags
) -> None:
    """Let each detection of a round take its object in every setting."""
    thing = pairs.object
    aside = objects.ignored[:, None, thing]
    free = ~taken[:, :, thing] | objects.crowd[thing]
    allowed = free & (pairs.overlap >= np.minimum(thresholds, 1 - 1e-10)[:, None])
    value = np.where(allowed, pairs.overlap + 2.0 * ~aside, -1.0)  # (ranges, thresholds, pairs)
    best = np.maximum.reduceat(value, pairs.first, axis=2)
    winner = allowed & (value == np.repeat(best, pairs.sizes, axis=2))
    place = np.where(winner, np.arange(len(thing)), -1)
    chosen = np.maximum.reduceat(place, pairs.first, axis=2)  # of equals the last
    made = np.nonzero(chosen >= 0)
    pair = chosen[made]
    taken[made[0], made[1], thing[pair]] = True
    kind = objects.ignored[made[0], thing[pair]]
    where = made[0], made[1], pairs.detection[pair]
    hits[where], ignored[where] = ~kind, kind
