"""What was measured: every raw time is kept, and a label is made of them last."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.latency.errors import InvalidSample

Floats = NDArray[np.float64]

LOW_QUANTILE, LABEL_QUANTILE = 0.1, 0.4
"""Quantiles of the visits' minima as they are, and over the reference beside them; see `label`."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A few runs of one neck, one after another, and the runs of the reference net just before them.

    Attributes:
        item: index of the neck in its session; a sentinel's is negative.
        at_s: seconds since the session's start.
        runs_ms: raw times of the neck.
        reference_ms: raw times of the reference net.
        waits_ms: the part of each of `runs_ms` during which other programs held the core; empty where the
            device cannot tell.
        reference_waits_ms: the same of `reference_ms`.
    """

    item: int
    at_s: float
    runs_ms: tuple[float, ...]
    reference_ms: tuple[float, ...]
    waits_ms: tuple[float, ...] = ()
    reference_waits_ms: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, times in (("runs_ms", self.runs_ms), ("reference_ms", self.reference_ms)):
            if not times:
                raise InvalidSample(f"neck {self.item}: a visit has no {name}")
            for index, time_ms in enumerate(times):
                if not (math.isfinite(time_ms) and time_ms > 0):
                    raise InvalidSample(
                        f"neck {self.item}, {name}[{index}]: a time must be positive, got {time_ms}"
                    )
        for waits, times in ((self.waits_ms, self.runs_ms), (self.reference_waits_ms, self.reference_ms)):
            sound = all(0 <= wait < time_ms for wait, time_ms in zip(waits, times, strict=False))
            if len(waits) not in (0, len(times)) or not sound:
                raise InvalidSample(f"neck {self.item}: waits {waits} do not fit times {times}")

    @property
    def lowest_ms(self) -> float:
        """The shortest run, waits taken off."""
        return _lowest(self.runs_ms, self.waits_ms)

    @property
    def lowest_reference_ms(self) -> float:
        """The shortest run of the reference net, waits taken off."""
        return _lowest(self.reference_ms, self.reference_waits_ms)

    def to_record(self) -> dict[str, object]:
        """Return the visit as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Visit":
        """Return the visit of `to_record`.

        Raises:
            InvalidSample: a field is missing, or a time is not a positive number.
        """
        try:
            times = [
                tuple(float(x) for x in record[name])  # type: ignore[attr-defined]
                for name in ("runs_ms", "reference_ms", "waits_ms", "reference_waits_ms")
                if name in record
            ]
            return cls(int(record["item"]), float(record["at_s"]), *times)  # type: ignore[call-overload, arg-type]
        except (KeyError, TypeError) as error:
            raise InvalidSample(f"not a visit: {record!r}: {error!r}") from error


def _lowest(times: Sequence[float], waits: Sequence[float]) -> float:
    return min(a - b for a, b in zip(times, waits, strict=True)) if waits else min(times)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The times of one neck in one session.

    Attributes:
        latency_ms: what the neck takes when nothing disturbs it; see `label`.
        stderr_ms: its standard error by bootstrap over visits.
        p10_ms, p50_ms, p90_ms: quantiles of the raw runs, which users live with.
        visits: every raw sample.
        settled: whether the label's interval became as narrow as was asked.
    """

    latency_ms: float
    stderr_ms: float
    p10_ms: float
    p50_ms: float
    p90_ms: float
    visits: tuple[Visit, ...]
    settled: bool = True

    def to_record(self) -> dict[str, object]:
        """Return the measurement as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Measurement":
        """Return the measurement of `to_record`."""
        visits = tuple(Visit.from_record(visit) for visit in record["visits"])  # type: ignore[attr-defined]
        return cls(**{**record, "visits": visits})  # type: ignore[arg-type]


def normaliser(visits: Sequence[Visit]) -> Floats:
    """Return, for each visit of a session in the order of time, the reference time around it in ms.

    That is the geometric mean of the reference just before it and the one after it: a core whose neighbour
    wakes up meanwhile has run half of the visit at either speed.
    """
    before = np.array([visit.lowest_reference_ms for visit in visits])
    return np.asarray(np.sqrt(before * np.append(before[1:], before[-1:])))


def reference_level(visits: Sequence[Visit]) -> float:
    """Return the session's undisturbed reference time in ms, by which normalised times become ms again."""
    ordered = sorted(visits, key=lambda visit: visit.at_s)
    return float(np.quantile(normaliser(ordered), 0.1))


def measurements(
    visits: Sequence[Visit], *, tolerance: float = 0.03, seed: int = 0
) -> dict[int, Measurement]:
    """Return one measurement a neck from the visits of one session.

    Args:
        visits: of one session, in any order.
        tolerance: half-width of the label's 90 % interval, relative, below which a neck counts as settled.
        seed: of the bootstrap.
    """
    ordered = sorted(visits, key=lambda visit: visit.at_s)
    scale = reference_level(ordered) / normaliser(ordered)
    groups: dict[int, list[int]] = {}
    for index, visit in enumerate(ordered):
        groups.setdefault(visit.item, []).append(index)
    rng = np.random.default_rng(seed)
    return {
        item: _measurement([ordered[i] for i in chosen], scale[chosen], tolerance, rng)
        for item, chosen in sorted(groups.items())
    }


def _measurement(
    visits: Sequence[Visit], scale: Floats, tolerance: float, rng: np.random.Generator
) -> Measurement:
    lowest = np.array([visit.lowest_ms for visit in visits])
    found = float(label(lowest, scale))
    error = standard_error(lowest, scale, rng)
    raw = np.concatenate([visit.runs_ms for visit in visits])
    p10, p50, p90 = (float(value) for value in np.quantile(raw, (0.1, 0.5, 0.9)))
    return Measurement(found, error, p10, p50, p90, tuple(visits), 1.645 * error <= tolerance * found)


def label(lowest: Floats, scale: Floats) -> Floats:
    """Return labels (...) of visits' minima (..., visits) in ms and what makes up for the reference (same).

    That is the geometric mean of the 10th percentile of the minima and of the 40th of the scaled ones. The
    former errs where few visits were undisturbed, the latter where a disturbance slows the neck otherwise
    than the reference: two sessions differ by less in their mean than in either.
    """
    plain = np.quantile(lowest, LOW_QUANTILE, axis=-1)
    return np.asarray(np.sqrt(plain * np.quantile(lowest * scale, LABEL_QUANTILE, axis=-1)))


def standard_error(lowest: Floats, scale: Floats, rng: np.random.Generator, draws: int = 200) -> float:
    """Return the bootstrap standard error of a label."""
    if len(lowest) < 2:
        return float("inf")
    picks = rng.integers(len(lowest), size=(draws, len(lowest)))
    return float(label(lowest[picks], scale[picks]).std())


def noise_floor(found: Mapping[int, Measurement], *, seed: int = 0) -> float:
    """Return the median relative disagreement of two labels made in the same way in one session.

    An error below this cannot be told from none. It is the disagreement of labels from two halves of each
    neck's visits, over the root of 2, since a label has twice the visits of a half.
    """
    ordered = sorted((v for measured in found.values() for v in measured.visits), key=lambda v: v.at_s)
    if not ordered:
        return float("nan")
    lowest = np.array([visit.lowest_ms for visit in ordered])
    scale = reference_level(ordered) / normaliser(ordered)
    items = np.array([visit.item for visit in ordered])
    rng = np.random.default_rng(seed)
    of = [items == item for item in np.unique(items)]
    gaps = [gap for chosen in of for gap in _half_gaps(lowest[chosen], scale[chosen], rng)]
    return float(np.median(gaps)) / math.sqrt(2) if gaps else float("nan")


def _half_gaps(lowest: Floats, scale: Floats, rng: np.random.Generator, splits: int = 4) -> list[float]:
    if len(lowest) < 4:
        return []
    gaps = []
    for _ in range(splits):
        halves = np.array_split(rng.permutation(len(lowest)), 2)
        first, second = (label(lowest[half], scale[half]) for half in halves)
        gaps.append(abs(float(np.log(first / second))))
    return gaps
