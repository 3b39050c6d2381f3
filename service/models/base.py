"""What every model of the API shares: strictness, times, names and the state of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.records import Job
from service.states import State

T = TypeVar("T")
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
ID_EXAMPLE = "01977b6e-3f60-7cc3-9d6c-5f9a3b1c2d4e"


class Request(BaseModel):
    """A body from a client: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """A body for a client."""

    model_config = ConfigDict(frozen=True)


class PageView(View, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_page_token: str | None = Field(
        None, description="ask again with it for the next page; null at the end"
    )


class Failure(View):
    """Why a job failed."""

    title: str
    detail: str
    pointer: str | None = Field(
        None, description="JSON pointer into the request, where one value is to blame"
    )


class JobView(View):
    """How the job that makes a resource stands."""

    state: State
    attempt: int = Field(description="how often a worker took it up")
    progress: dict[str, Any] | None
    eta_s: float | None = Field(None, description="estimated seconds to the end, while it runs")
    error: Failure | None = None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def moment(seconds: float | None) -> datetime | None:
    """Return seconds since 1970 as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def job_fields(job: Job) -> dict[str, Any]:
    """Return the fields of ``JobView`` for a job."""
    progress = dict(job.progress) if job.progress else None
    running = job.state in (State.RUNNING, State.LEASED)
    return {
        "state": job.state,
        "attempt": job.attempt,
        "progress": progress,
        "eta_s": progress.get("eta_s") if progress and running else None,
        "error": None if job.error is None else Failure(**job.error),
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "ended_at": moment(job.ended_at),
    }
