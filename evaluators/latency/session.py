"""`Session`: measurements made in one sitting, and when two of them may be put together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluators.latency.errors import DriftedSession
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.samples import Measurement, noise_floor

MAXIMUM_DRIFT = 0.05
"""Relative difference of a sentinel's label between two sessions above which they are not put together."""


@dataclass(frozen=True)
class Protocol:
    """How a session measures.

    Attributes:
        visits: visits of each neck before any may be left out as settled.
        most_visits: visits after which a neck that has not settled is flagged instead.
        runs: timed runs of one visit, after one that warms up.
        tolerance: relative half-width of the label's 90 % interval at which a neck has settled.
        seconds: time after which no further round begins, however many visits are missing beyond 4.
        seed: of the order.
    """

    visits: int = 16
    most_visits: int = 24
    runs: int = 3
    tolerance: float = 0.03
    seconds: float = float("inf")
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.visits <= self.most_visits or self.runs < 1:
            raise ValueError(f"a protocol needs 1 <= visits <= most_visits and runs >= 1, got {self}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session or a calibration is: `done` of about `total` steps of `stage`."""

    stage: str
    done: int
    total: int
    elapsed_s: float


@dataclass(frozen=True)
class Session:
    """Measurements made in one sitting, with all raw samples.

    Attributes:
        fingerprint: of the device.
        measured: by position in the list of necks.
        sentinels: the fixed nets that every session measures.
        reference_ms: the undisturbed reference time by which labels became milliseconds.
        elapsed_s: how long it took.
        load: the machine's load average at the end; nan where unknown.
    """

    fingerprint: Fingerprint
    measured: tuple[Measurement, ...]
    sentinels: tuple[Measurement, ...] = ()
    reference_ms: float = 1.0
    elapsed_s: float = 0.0
    load: float = float("nan")

    @property
    def noise_floor(self) -> float:
        """Median relative disagreement of two halves of the samples; no error below it can be claimed."""
        return noise_floor(dict(enumerate((*self.measured, *self.sentinels))))

    def at_reference(self, reference_ms: float) -> "Session":
        """Return the session with its labels as they would be at another reference time; raw samples stay."""
        factor = reference_ms / self.reference_ms
        measured, sentinels = (
            tuple(_rescaled(entry, factor) for entry in group) for group in (self.measured, self.sentinels)
        )
        return replace(self, measured=measured, sentinels=sentinels, reference_ms=reference_ms)


def _rescaled(measured: Measurement, factor: float) -> Measurement:
    return replace(measured, latency_ms=measured.latency_ms * factor, stderr_ms=measured.stderr_ms * factor)


def joined(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Return sessions that may be put together, all labels at the lowest of their reference times.

    Raises:
        DriftedSession: see `require_steady`.
    """
    reference_ms = min(session.reference_ms for session in sessions)
    aligned = tuple(session.at_reference(reference_ms) for session in sessions)
    for session in aligned[1:]:
        require_steady(aligned[0], session)
    return aligned


def require_steady(first: Session, second: Session, *, maximum: float = MAXIMUM_DRIFT) -> None:
    """Check that two sessions may be put together.

    Raises:
        DriftedSession: their devices differ, or a sentinel moved by more than `maximum`; says by how much.
    """
    differing = first.fingerprint.differences(second.fingerprint)
    if differing:
        raise DriftedSession(f"sessions of different devices cannot be put together: {differing}")
    if len(first.sentinels) != len(second.sentinels) or not first.sentinels:
        raise DriftedSession("a session without the same sentinels cannot be compared")
    for index, (before, after) in enumerate(zip(first.sentinels, second.sentinels, strict=True)):
        change = after.latency_ms / before.latency_ms - 1
        if abs(change) > maximum:
            raise DriftedSession(
                f"sentinel {index + 1} moved by {change:+.1%} (at most {maximum:.0%} is allowed): "
                f"{before.latency_ms:.3f} ms, then {after.latency_ms:.3f} ms; measure again when it is idle"
            )
