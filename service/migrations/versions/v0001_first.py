"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make every table."""
    _create_api_keys()
    _create_architectures()
    _create_devices()
    _create_idempotency()
    _create_jobs()
    _create_workers()
    _create_agents()
    _create_datasets()
    _create_events()
    _create_needs()
    _create_predictors()
    _create_batches()
    _create_supernets()
    _create_searches()
    _create_evaluations()
    _create_fronts()
    _create_artifacts()
    _create_extra_scores()


def downgrade() -> None:
    """Drop every table."""
    for name in (
        "extra_scores",
        "artifacts",
        "fronts",
        "evaluations",
        "searches",
        "supernets",
        "batches",
        "predictors",
        "needs",
        "events",
        "datasets",
        "agents",
        "workers",
        "jobs",
        "idempotency",
        "devices",
        "architectures",
        "api_keys",
    ):
        op.drop_table(name)


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("expires_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_index("ix_api_keys_owner_created_at", "api_keys", ["owner", "created_at", "id"])


def _create_architectures() -> None:
    op.create_table(
        "architectures",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_architectures"),
    )


def _create_devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
    )
    op.create_index("ix_devices_owner_created_at", "devices", ["owner", "created_at", "id"])


def _create_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=36), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", DOCUMENT),
        sa.Column("body", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("fruitless", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=80)),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.Double()),
        sa.Column("request", DOCUMENT, nullable=False),
        sa.Column("progress", DOCUMENT),
        sa.Column("result", DOCUMENT),
        sa.Column("error", DOCUMENT),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("queued_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_owner_started_at", "jobs", ["owner", "started_at"])
    op.create_index("ix_jobs_state_kind_priority", "jobs", ["state", "kind", "priority", "queued_at"])


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("description", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )


def _create_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("enrolment_hash", sa.String(length=64)),
        sa.Column("token_hash", sa.String(length=64)),
        sa.Column("description", DOCUMENT),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("enrolled_at", sa.Double()),
        sa.Column("seen_at", sa.Double()),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name="fk_agents_device_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("enrolment_hash", name="uq_agents_enrolment_hash"),
        sa.UniqueConstraint("token_hash", name="uq_agents_token_hash"),
    )
    op.create_index("ix_agents_device_id", "agents", ["device_id"])


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64)),
        sa.Column("statistics", DOCUMENT),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_datasets_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_index("ix_datasets_owner_created_at", "datasets", ["owner", "created_at", "id"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_events_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_events"),
    )


def _create_needs() -> None:
    op.create_table(
        "needs",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("needs_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_needs_job_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["needs_id"], ["jobs.id"], name="fk_needs_needs_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "needs_id", name="pk_needs"),
    )
    op.create_index("ix_needs_needs_id", "needs", ["needs_id"])


def _create_predictors() -> None:
    op.create_table(
        "predictors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("space_key", sa.String(length=64), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("revision", sa.String(length=64)),
        sa.Column("document", sa.Text()),
        sa.Column("summary", DOCUMENT),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name="fk_predictors_device_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_predictors_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_predictors"),
    )
    op.create_index("ix_predictors_device_id_space_key", "predictors", ["device_id", "space_key"])


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("agent_id", sa.String(length=36)),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.Double()),
        sa.Column("request", DOCUMENT, nullable=False),
        sa.Column("result", DOCUMENT),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_batches_agent_id"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name="fk_batches_device_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_batches_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_device_id_state", "batches", ["device_id", "state", "created_at"])
    op.create_index("ix_batches_job_id", "batches", ["job_id"])


def _create_supernets() -> None:
    op.create_table(
        "supernets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("dataset_id", sa.String(length=36)),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("revision", sa.String(length=64)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_supernets_dataset_id"),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_supernets_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_supernets"),
    )
    op.create_index("ix_supernets_dataset_id", "supernets", ["dataset_id"])
    op.create_index("ix_supernets_owner_created_at", "supernets", ["owner", "created_at", "id"])


def _create_searches() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("supernet_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36)),
        sa.Column("predictor_id", sa.String(length=36)),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("evaluated", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_searches_device_id"),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_searches_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["predictor_id"], ["predictors.id"], name="fk_searches_predictor_id"),
        sa.ForeignKeyConstraint(["supernet_id"], ["supernets.id"], name="fk_searches_supernet_id"),
        sa.PrimaryKeyConstraint("id", name="pk_searches"),
    )
    op.create_index("ix_searches_owner_created_at", "searches", ["owner", "created_at", "id"])
    op.create_index("ix_searches_owner_label", "searches", ["owner", "label"])
    op.create_index("ix_searches_supernet_id", "searches", ["supernet_id"])


def _create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("search_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("device_revision", sa.String(length=64), nullable=False),
        sa.Column("dataset_revision", sa.String(length=64), nullable=False),
        sa.Column("evaluator_revision", sa.String(length=64), nullable=False),
        sa.Column("genotype", DOCUMENT),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("scores", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["key"], ["architectures.key"], name="fk_evaluations_key"),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name="fk_evaluations_search_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
        sa.UniqueConstraint(
            "search_id",
            "key",
            "device_revision",
            "dataset_revision",
            "evaluator_revision",
            name="uq_evaluations_identity",
        ),
        sa.UniqueConstraint("search_id", "number", name="uq_evaluations_search_number"),
    )


def _create_fronts() -> None:
    op.create_table(
        "fronts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("search_id", sa.String(length=36), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name="fk_fronts_search_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fronts"),
        sa.UniqueConstraint("search_id", name="uq_fronts_search_id"),
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("evaluation_id", sa.String(length=36), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("options_key", sa.String(length=64), nullable=False),
        sa.Column("options", DOCUMENT, nullable=False),
        sa.Column("sha256", sa.String(length=64)),
        sa.Column("size", sa.BigInteger()),
        sa.Column("media_type", sa.String(length=64)),
        sa.Column("filename", sa.String(length=128)),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name="fk_artifacts_evaluation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_artifacts_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("evaluation_id", "format", "options_key", name="uq_artifacts_request"),
    )


def _create_extra_scores() -> None:
    op.create_table(
        "extra_scores",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("evaluation_id", sa.String(length=36), nullable=False),
        sa.Column("score", DOCUMENT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name="fk_extra_scores_evaluation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_extra_scores"),
    )
    op.create_index("ix_extra_scores_evaluation_id", "extra_scores", ["evaluation_id", "created_at"])
