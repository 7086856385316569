"""The first tables: what is managed, and what changes, audit, idempotency and budgets need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them, those that others refer to first."""
    _apps()
    _audit()
    _budget_periods()
    _budget_slices()
    _changes()
    _file_state()
    _idempotency()
    _llms()
    _plugins()
    _prices()
    _app_llms()
    _llm_plugins()
    _tokens()


def _apps() -> None:
    op.create_table(
        "apps",
        sa.Column("id", _ID, nullable=False),
        sa.Column("managed_by", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_email", sa.String(length=320), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("bodies", sa.String(length=16), nullable=False),
        sa.Column("monthly_budget_nanos", sa.BigInteger(), nullable=False),
        sa.Column("budget_reset_day", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("budget_fail", sa.String(length=8), nullable=False),
        sa.Column("rate_limit_rpm", sa.BigInteger(), nullable=False),
        sa.Column("rate_limit_tpm", sa.BigInteger(), nullable=False),
        sa.Column("max_concurrent", sa.Integer(), nullable=False),
        sa.Column("allowed_ips", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_apps"),
        sa.UniqueConstraint("name", name="uq_apps_name"),
        sqlite_autoincrement=True,
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("token_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_kind_entity_id", "audit", ["kind", "entity_id"])


def _budget_periods() -> None:
    op.create_table(
        "budget_periods",
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("llm_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_end", sa.BigInteger(), nullable=False),
        sa.Column("limit_nanos", sa.BigInteger(), nullable=False),
        sa.Column("alerted_percent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "app_id", "llm_id", "period_start", name="pk_budget_periods"),
    )


def _budget_slices() -> None:
    op.create_table(
        "budget_slices",
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("llm_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("period_end", sa.BigInteger(), nullable=False),
        sa.Column("granted_nanos", sa.BigInteger(), nullable=False),
        sa.Column("returned_nanos", sa.BigInteger(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column("written_off_nanos", sa.BigInteger(), nullable=False),
        sa.Column("requests_count", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("response_tokens", sa.BigInteger(), nullable=False),
        sa.Column("recall_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "app_id", "llm_id", "period_start", "host", name="pk_budget_slices"),
    )
    op.create_index("ix_budget_slices_app_id_period_start", "budget_slices", ["app_id", "period_start"])


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("generation", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("generation", name="pk_changes"),
        sqlite_autoincrement=True,
    )


def _file_state() -> None:
    op.create_table(
        "file_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file_state"),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])


def _llms() -> None:
    op.create_table(
        "llms",
        sa.Column("id", _ID, nullable=False),
        sa.Column("managed_by", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("vendor", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("api_key_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("default_model", sa.String(length=256), nullable=False),
        sa.Column("max_tokens", sa.BigInteger(), nullable=False),
        sa.Column("timeout_seconds", sa.Float(), nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("monthly_budget_nanos", sa.BigInteger(), nullable=False),
        sa.Column("budget_reset_day", sa.Integer(), nullable=False),
        sa.Column("rate_limit_rpm", sa.BigInteger(), nullable=False),
        sa.Column("rate_limit_tpm", sa.BigInteger(), nullable=False),
        sa.Column("max_request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("max_response_bytes", sa.BigInteger(), nullable=False),
        sa.Column("allowed_models", sa.JSON(), nullable=False),
        sa.Column("failover_llm_ids", sa.JSON(), nullable=False),
        sa.Column("allowed_upstreams", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_llms"),
        sa.UniqueConstraint("name", name="uq_llms_name"),
        sa.UniqueConstraint("slug", name="uq_llms_slug"),
        sqlite_autoincrement=True,
    )


def _plugins() -> None:
    op.create_table(
        "plugins",
        sa.Column("id", _ID, nullable=False),
        sa.Column("managed_by", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("checksum", sa.String(length=128), nullable=False),
        sa.Column("plugin_type", sa.String(length=64), nullable=False),
        sa.Column("hook_types", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=False),
        sa.Column("on_failure", sa.String(length=8), nullable=True),
        sa.Column("namespace", sa.String(length=255), nullable=False),
        sa.Column("on_stream", sa.String(length=8), nullable=False),
        sa.Column("on_oversize", sa.String(length=8), nullable=False),
        sa.Column("max_concurrent", sa.Integer(), nullable=False),
        sa.Column("breaker_failures", sa.Integer(), nullable=False),
        sa.Column("breaker_pause_seconds", sa.Float(), nullable=False),
        sa.Column("service_scopes", sa.JSON(), nullable=False),
        sa.Column("hook_types_customized", sa.Boolean(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("ca_file", sa.Text(), nullable=False),
        sa.Column("manifest", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("config_schema", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("validated_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_plugins"),
        sa.UniqueConstraint("name", name="uq_plugins_name"),
        sa.UniqueConstraint("slug", name="uq_plugins_slug"),
        sqlite_autoincrement=True,
    )


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("managed_by", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("price_version", sa.String(length=64), nullable=False),
        sa.Column("vendor", sa.String(length=64), nullable=False),
        sa.Column("model_name", sa.String(length=256), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("prompt_nanos", sa.BigInteger(), nullable=False),
        sa.Column("response_nanos", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_nanos", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_nanos", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_nanos", sa.BigInteger(), nullable=True),
        sa.Column("audio_prompt_nanos", sa.BigInteger(), nullable=True),
        sa.Column("audio_response_nanos", sa.BigInteger(), nullable=True),
        sa.Column("image_prompt_nanos", sa.BigInteger(), nullable=True),
        sa.Column("image_response_nanos", sa.BigInteger(), nullable=True),
        sa.Column("request_nanos", sa.BigInteger(), nullable=False),
        sa.Column("tool_request_nanos", sa.BigInteger(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("batch_percent", sa.Integer(), nullable=False),
        sa.Column("aliases", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
        sa.UniqueConstraint("key", name="uq_prices_key"),
        sa.UniqueConstraint("vendor", "model_name", "valid_from", name="uq_prices_vendor_model_name_valid_from"),
        sqlite_autoincrement=True,
    )


def _app_llms() -> None:
    op.create_table(
        "app_llms",
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("llm_id", _ID, nullable=False),
        sa.Column("monthly_budget_nanos", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_app_llms_app_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["llm_id"], ["llms.id"], name="fk_app_llms_llm_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app_id", "llm_id", name="pk_app_llms"),
    )
    op.create_index("ix_app_llms_llm_id", "app_llms", ["llm_id"])


def _llm_plugins() -> None:
    op.create_table(
        "llm_plugins",
        sa.Column("llm_id", _ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("plugin_id", _ID, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("app_id", _ID, nullable=True),
        sa.Column("on_stream", sa.String(length=8), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_llm_plugins_app_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["llm_id"], ["llms.id"], name="fk_llm_plugins_llm_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["plugin_id"], ["plugins.id"], name="fk_llm_plugins_plugin_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("llm_id", "place", name="pk_llm_plugins"),
    )
    op.create_index("ix_llm_plugins_app_id", "llm_plugins", ["app_id"])
    op.create_index("ix_llm_plugins_plugin_id", "llm_plugins", ["plugin_id"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("managed_by", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_tokens_app_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("sha256", name="uq_tokens_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tokens_app_id", "tokens", ["app_id"])
