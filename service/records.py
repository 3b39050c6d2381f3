"""What the store hands out: frozen records, one a table's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.states import State

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Lease:
    """One worker's hold on a job: only the bearer of this attempt and epoch may write."""

    job_id: str
    attempt: int
    epoch: int


@dataclass(frozen=True)
class Job:
    """A piece of work; its id is the id of what it makes."""

    id: str
    kind: str
    owner: str
    state: State
    priority: int
    attempt: int
    epoch: int
    fruitless: int
    worker: str | None
    beats: int
    leased_until: float | None
    request: Json
    progress: Json | None
    result: Json | None
    error: Json | None
    event_count: int
    created_at: float
    queued_at: float
    started_at: float | None
    ended_at: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))

    @property
    def lease(self) -> Lease:
        """Return the lease under which the present holder writes."""
        return Lease(self.id, self.attempt, self.epoch)


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; numbers rise by one."""

    job_id: str
    number: int
    kind: str
    payload: Json
    created_at: float


@dataclass(frozen=True)
class Dataset:
    """A registered dataset; ``revision`` and ``statistics`` come with its job's end."""

    id: str
    owner: str
    name: str
    source: str
    spec: Json
    folder: str
    revision: str | None
    statistics: Json | None
    created_at: float


@dataclass(frozen=True)
class Supernet:
    """A supernet to be trained, or trained: then ``revision`` is its weights' sha256."""

    id: str
    owner: str
    name: str
    dataset_id: str | None
    spec: Json
    revision: str | None
    created_at: float


@dataclass(frozen=True)
class Device:
    """A device whose latency is measured and predicted."""

    id: str
    owner: str
    name: str
    kind: str
    spec: Json
    created_at: float


@dataclass(frozen=True)
class Predictor:
    """A calibration of one device for one space; ``document`` is the predictor's JSON."""

    id: str
    device_id: str
    space_key: str
    spec: Json
    revision: str | None
    document: str | None
    summary: Json | None
    created_at: float


@dataclass(frozen=True)
class Search:
    """A search and its counters."""

    id: str
    owner: str
    label: str
    supernet_id: str
    device_id: str | None
    predictor_id: str | None
    spec: Json
    evaluated: int
    failed: int
    created_at: float


@dataclass(frozen=True)
class Revisions:
    """What an evaluation depends on beside the architecture."""

    device: str
    dataset: str
    evaluator: str


@dataclass(frozen=True)
class StoredEvaluation:
    """One scored architecture of one search; ``scores`` is a JSON list, ``metrics`` a JSON object."""

    id: str
    search_id: str
    number: int
    key: str
    device_revision: str
    dataset_revision: str
    evaluator_revision: str
    genotype: list[int] | None
    origin: str
    state: str
    scores: str
    metrics: str
    error: str | None
    seconds: float
    generation: int
    position: int
    attempt: int
    created_at: float


@dataclass(frozen=True)
class Artifact:
    """A file made of one subnet; ``sha256`` and ``size`` (bytes) come with its job's end."""

    id: str
    owner: str
    evaluation_id: str
    format: str
    options_key: str
    options: Json
    sha256: str | None
    size: int | None
    media_type: str | None
    filename: str | None
    created_at: float


@dataclass(frozen=True)
class ApiKey:
    """A key's public part; the secret is stored as a hash only."""

    id: str
    owner: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    revoked_at: float | None
    expires_at: float | None
