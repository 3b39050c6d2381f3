"""What agents say and are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.models.base import Id, Request, View


class InvitationView(View):
    """A one-time token for an agent of a device."""

    id: Id
    device_id: Id
    token: str = Field(description="shown this once; give it to the agent as --token")
    expires_at: datetime
    command: str = Field(description="what to run on the device")


class Enrolment(Request):
    """An agent's first call."""

    token: str = Field(min_length=1, max_length=128)
    description: dict[str, Any]


class EnrolledView(View):
    """An agent's identity."""

    id: Id
    secret: str = Field(description="sent as 'Authorization: Bearer ...' from now on")


class Waiting(Request):
    """An agent asks for work."""

    wait_s: float = Field(0.0, ge=0, le=30, description="how long to wait for work before answering 204")
    description: dict[str, Any]


class LeaseView(View):
    """A batch in an agent's hands."""

    batch: Id
    epoch: int
    request: dict[str, Any] = Field(description="models by SHA-256 and how to measure them")


class Result(Request):
    """An agent's answer: every raw time, or an error class."""

    batch: Id
    epoch: int = Field(ge=0, le=1 << 31)
    description: dict[str, Any]
    visits: list[dict[str, Any]] = Field(default_factory=list, max_length=20_000)
    providers: list[str] = Field(default_factory=list, max_length=8)
    climate: dict[str, Any] = Field(default_factory=dict)
    elapsed_s: float | None = None
    load: float | None = None
    error: str | None = Field(None, max_length=64)
    detail: str | None = Field(None, max_length=4000)


class AcceptedView(View):
    """What became of a result."""

    used: bool = Field(description="whether its times enter a predictor")
    problem: str | None = Field(None, description="why not")
