"""The tables. Times are seconds since 1970 on the database's clock; documents are JSON."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=CONVENTION)
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
ID = String(36)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),  # the id of what the job makes
    Column("kind", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("attempt", Integer, nullable=False, default=0),
    Column("epoch", Integer, nullable=False, default=0),
    Column("fruitless", Integer, nullable=False, default=0),
    Column("worker", String(80)),
    Column("beats", BigInteger, nullable=False, default=0),
    Column("leased_until", Double),
    Column("request", Document, nullable=False),
    Column("progress", Document),
    Column("result", Document),
    Column("error", Document),
    Column("event_count", Integer, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Index("ix_jobs_state_kind_priority", "state", "kind", "priority", "queued_at"),
    Index("ix_jobs_owner_started_at", "owner", "started_at"),
    Index("ix_jobs_owner_state", "owner", "state"),
)

needs = Table(
    "needs",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_needs_needs_id", "needs_id"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("payload", Document, nullable=False),
    Column("created_at", Double, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("source", String(16), nullable=False),  # folder | digits | ...
    Column("spec", Document, nullable=False),
    Column("folder", Text, nullable=False),
    Column("revision", String(64)),
    Column("statistics", Document),
    Column("created_at", Double, nullable=False),
    Index("ix_datasets_owner_created_at", "owner", "created_at", "id"),
)

supernets = Table(
    "supernets",
    metadata,
    Column("id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("dataset_id", ID, ForeignKey("datasets.id")),
    Column("spec", Document, nullable=False),
    Column("revision", String(64)),
    Column("created_at", Double, nullable=False),
    Index("ix_supernets_owner_created_at", "owner", "created_at", "id"),
    Index("ix_supernets_dataset_id", "dataset_id"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("spec", Document, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_devices_owner_created_at", "owner", "created_at", "id"),
)

predictors = Table(
    "predictors",
    metadata,
    Column("id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("space_key", String(64), nullable=False),
    Column("spec", Document, nullable=False),
    Column("revision", String(64)),
    Column("document", Text),
    Column("summary", Document),
    Column("created_at", Double, nullable=False),
    Index("ix_predictors_device_id_space_key", "device_id", "space_key"),
)

searches = Table(
    "searches",
    metadata,
    Column("id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("label", String(128), nullable=False),
    Column("supernet_id", ID, ForeignKey("supernets.id"), nullable=False),
    Column("device_id", ID, ForeignKey("devices.id")),
    Column("predictor_id", ID, ForeignKey("predictors.id")),
    Column("spec", Document, nullable=False),
    Column("evaluated", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Index("ix_searches_owner_created_at", "owner", "created_at", "id"),
    Index("ix_searches_owner_label", "owner", "label"),
    Index("ix_searches_supernet_id", "supernet_id"),
)

architectures = Table(
    "architectures",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("search_id", ID, ForeignKey("searches.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("key", String(64), ForeignKey("architectures.key"), nullable=False),
    Column("device_revision", String(64), nullable=False),
    Column("dataset_revision", String(64), nullable=False),
    Column("evaluator_revision", String(64), nullable=False),
    Column("genotype", Document),
    Column("origin", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("scores", Text, nullable=False),
    Column("metrics", Text, nullable=False),  # {metric: value}, the compact form that fronts are read from
    Column("error", Text),
    Column("seconds", Double, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint(
        "search_id",
        "key",
        "device_revision",
        "dataset_revision",
        "evaluator_revision",
        name="uq_evaluations_identity",
    ),
    UniqueConstraint("search_id", "number", name="uq_evaluations_search_number"),
)

extra_scores = Table(
    "extra_scores",
    metadata,
    Column("id", ID, primary_key=True),
    Column("evaluation_id", ID, ForeignKey("evaluations.id", ondelete="CASCADE"), nullable=False),
    Column("score", Document, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_extra_scores_evaluation_id", "evaluation_id", "created_at"),
)

fronts = Table(
    "fronts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("search_id", ID, ForeignKey("searches.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("document", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("search_id", ID, ForeignKey("searches.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, nullable=False),  # how much the search had brought when it was made
    Column("made_by", String(32), nullable=False),
    Column("body", Text, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("evaluation_id", ID, ForeignKey("evaluations.id", ondelete="CASCADE"), nullable=False),
    Column("format", String(16), nullable=False),
    Column("options_key", String(64), nullable=False),
    Column("options", Document, nullable=False),
    Column("sha256", String(64)),
    Column("size", BigInteger),
    Column("media_type", String(64)),
    Column("filename", String(128)),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("evaluation_id", "format", "options_key", name="uq_artifacts_request"),
)

agents = Table(
    "agents",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("enrolment_hash", String(64), unique=True),
    Column("token_hash", String(64), unique=True),
    Column("description", Document),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("enrolled_at", Double),
    Column("seen_at", Double),
    Index("ix_agents_device_id", "device_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("job_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),  # open | leased | done | failed
    Column("agent_id", ID, ForeignKey("agents.id")),
    Column("epoch", Integer, nullable=False, default=0),
    Column("leased_until", Double),
    Column("request", Document, nullable=False),
    Column("result", Document),
    Column("created_at", Double, nullable=False),
    Index("ix_batches_device_id_state", "device_id", "state", "created_at"),
    Index("ix_batches_job_id", "job_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", Document, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("expires_at", Double),
    Index("ix_api_keys_owner_created_at", "owner", "created_at", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("resource_id", ID, nullable=False),  # the id of what the request makes, whoever ends it
    Column("done", Boolean, nullable=False, default=False),
    Column("status", Integer),
    Column("headers", Document),
    Column("body", Text),
    Column("created_at", Double, nullable=False),
    Index("ix_idempotency_created_at", "created_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("description", Document, nullable=False),
)
