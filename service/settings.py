"""The service's settings: one field a setting, each also ``NECKLINE_<NAME>`` in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 2**20
FEATURE_LIMIT_BYTES = 2048 * MEBIBYTE


class Settings(BaseSettings):
    """Everything that an operator may choose; units stand in the names or in the descriptions."""

    model_config = SettingsConfigDict(env_prefix="NECKLINE_", frozen=True, extra="forbid")

    data: Path = Field(Path(".neckline"), description="folder of the database, the work and the key")
    database_url: str | None = Field(None, description="SQLAlchemy URL; SQLite below data when unset")
    artifacts_url: str | None = Field(
        None, description="folder or fsspec URL of the artifacts; data/files when unset"
    )
    dataset_root: Path | None = Field(None, description="root of user datasets; data/datasets when unset")
    weights_folder: Path | None = Field(
        None, description="root of pretrained weights; data/weights when unset"
    )
    host: str = Field("127.0.0.1", description="address that the API binds")
    port: int = Field(8000, ge=0, le=65535, description="TCP port of the API; 0 takes a free one")
    allowed_hosts: tuple[str, ...] = Field(
        ("localhost", "127.0.0.1", "[::1]", "::1"), description="Host headers that are answered"
    )
    secure_cookies: bool = Field(False, description="mark cookies Secure (set it behind TLS)")
    ray_address: str | None = Field(None, description="a Ray cluster's address; a local Ray when unset")
    ray_token: str | None = Field(None, repr=False, description="token of a Ray cluster that is not loopback")
    executor: Literal["ray", "local"] = Field("ray", description="who evaluates: Ray actors or this process")
    parallel: int = Field(2, ge=1, le=256, description="most evaluations at once in one search")
    train_threads: int = Field(2, ge=1, description="threads of a training or an export in a worker")
    train_workers: int = Field(
        1, ge=1, le=256, description="data-parallel workers of a training, on Ray; one trains in the worker"
    )
    torch_threads: int = Field(1, ge=1, description="threads of one worker or actor")
    feature_limit_bytes: int = Field(
        FEATURE_LIMIT_BYTES,
        ge=1,
        description="most that a scorer keeps of validation features; of a dataset that takes more, a random "
        "part is scored and the front again on all of it, bytes",
    )
    lease_s: float = Field(30.0, gt=0, description="seconds after which a silent worker loses its job")
    heartbeat_s: float = Field(10.0, gt=0, description="seconds between a worker's beats")
    sweep_s: float = Field(2.0, gt=0, description="seconds between sweeps for lost leases")
    poll_s: float = Field(0.5, gt=0, description="seconds between a worker's looks at the queue")
    attempts: int = Field(3, ge=1, description="attempts in a row without a result before a job fails")
    shutdown_s: float = Field(
        30.0, gt=0, description="seconds that a stopping process may use to save its work"
    )
    body_limit_bytes: int = Field(
        MEBIBYTE, ge=1024, description="largest request body outside uploads, bytes"
    )
    low_water_bytes: int = Field(
        512 * MEBIBYTE, ge=0, description="free disk below which new work is refused, bytes"
    )
    requests_per_minute: int = Field(6000, ge=1, description="requests a key may send in a minute")
    max_evaluations: int = Field(100_000, ge=1, description="largest evaluation budget of one search")
    max_active_jobs: int = Field(200, ge=1, description="unfinished jobs that one owner may have")
    event_wait_s: float = Field(30.0, gt=0, le=60, description="longest wait of an event poll, seconds")
    retention_days: float = Field(
        90.0, gt=0, description="age at which gc removes ended work's events and files, days"
    )
    api_threads: int = Field(
        2, ge=1, le=200, description="requests that the API works on at once, each for a second at most"
    )
    database_pool: int = Field(16, ge=1, description="connections that one process keeps open")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )

    @property
    def resolved_database_url(self) -> str:
        """Return the database's URL, the embedded SQLite file where none is set."""
        return self.database_url or f"sqlite:///{(self.data / 'neckline.db').absolute()}"

    @property
    def resolved_artifacts_url(self) -> str:
        """Return the folder or URL below which the artifacts lie."""
        return self.artifacts_url or str((self.data / "files").absolute())

    @property
    def resolved_dataset_root(self) -> Path:
        """Return the folder below which the datasets of users must lie."""
        return (self.dataset_root or self.data / "datasets").absolute()

    @property
    def weights_root(self) -> Path:
        """Return the folder below which pretrained backbones lie."""
        return (self.weights_folder or self.data / "weights").absolute()

    @property
    def work_folder(self) -> Path:
        """Return the folder of checkpoints and trained supernets."""
        return (self.data / "work").absolute()
