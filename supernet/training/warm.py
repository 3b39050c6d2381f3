"""A supernet that begins from an earlier one of a compatible space, instead of from random weights.

Backbones must be alike; neck and head take the leading channels of every tensor that both hold, behind a
concatenation those of each part.
"""

from dataclasses import dataclass
from pathlib import Path

from supernet.detector import Detector, load_detector
from supernet.errors import WeightMismatch


@dataclass(frozen=True)
class Taken:
    """How many shared tensors of neck and head were taken over, and how many there are."""

    taken: int
    total: int


def take_over(detector: Detector, folder: Path | str) -> Taken:
    """Fill the detector with the weights of a trained supernet where they fit.

    Raises:
        WeightMismatch: there is no trained supernet, or its backbone or its kind of space is another.
    """
    other = load_detector(folder)
    mine, theirs = detector.backbone, other.backbone
    if mine.spec.name != theirs.spec.name or mine.channels != theirs.channels:
        raise WeightMismatch(
            f"warm_start: the earlier supernet's backbone is {theirs.spec.name} with channels "
            f"{theirs.channels}, this one's {mine.spec.name} with {mine.channels}; choose one like it"
        )
    if detector.space.name != other.space.name:
        raise WeightMismatch(
            f"warm_start: the earlier supernet's space is a {other.space.name}, this one's a "
            f"{detector.space.name}; choose one of the same kind"
        )
    found = len(detector.neck.weights.take_over(other.neck.weights))
    mine.load_state_dict(theirs.state_dict())
    total = len(detector.neck.weights.names)
    if [c.name for c in detector.categories] == [c.name for c in other.categories]:
        found += len(detector.head.weights.take_over(other.head.weights))
        total += len(detector.head.weights.names)
    return Taken(found, total)
