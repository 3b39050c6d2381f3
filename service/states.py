"""The states of a job and the moves between them that a client may ask for."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    LEASED = "LEASED"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


HELD = (State.LEASED, State.RUNNING, State.CANCELLING, State.PAUSING)
"""States in which a worker holds the job and may write its results."""

ENDED = (State.SUCCEEDED, State.PARTIALLY_SUCCEEDED, State.FAILED, State.CANCELLED)
"""States that a job never leaves."""

GOOD = (State.SUCCEEDED, State.PARTIALLY_SUCCEEDED)
"""States whose product other jobs may use."""

MOVES: dict[str, dict[State, State]] = {
    "cancel": {
        State.QUEUED: State.CANCELLED,
        State.PAUSED: State.CANCELLED,
        State.LEASED: State.CANCELLING,
        State.RUNNING: State.CANCELLING,
        State.PAUSING: State.CANCELLING,
    },
    "pause": {State.QUEUED: State.PAUSED, State.LEASED: State.PAUSING, State.RUNNING: State.PAUSING},
    "resume": {State.PAUSED: State.QUEUED},
}
"""For each request, the state that follows each state in which it is legal."""

AFTER_LOSS = {
    State.LEASED: State.QUEUED,
    State.RUNNING: State.QUEUED,
    State.CANCELLING: State.CANCELLED,
    State.PAUSING: State.PAUSED,
}
"""Where a job goes when its worker died or let go."""
