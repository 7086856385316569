"""The control database: a table per entity, and the tables that changes, audit, idempotency and budgets need.

Times are micros of the epoch, money is nanos, lists and objects are JSON. What is written here is written by a
migration too (``migrations/``); a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER is SQLite's own row id


def _entity() -> list[Column[Any]]:
    return [
        Column("id", _ID, primary_key=True, autoincrement=True),
        Column("managed_by", String(8), nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
    ]


LLMS = Table(
    "llms",
    METADATA,
    *_entity(),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("vendor", String(64), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("api_key_encrypted", LargeBinary, nullable=False),
    Column("default_model", String(256), nullable=False),
    Column("max_tokens", BigInteger, nullable=False),
    Column("timeout_seconds", Float),
    Column("retry_count", Integer),
    Column("is_active", Boolean, nullable=False),
    Column("monthly_budget_nanos", BigInteger, nullable=False),
    Column("budget_reset_day", Integer, nullable=False),
    Column("rate_limit_rpm", BigInteger, nullable=False),
    Column("rate_limit_tpm", BigInteger, nullable=False),
    Column("max_request_bytes", BigInteger, nullable=False),
    Column("max_response_bytes", BigInteger, nullable=False),
    Column("allowed_models", JSON, nullable=False),
    Column("failover_llm_ids", JSON, nullable=False),
    Column("allowed_upstreams", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice: budgets, events and audit name it for ever
)

APPS = Table(
    "apps",
    METADATA,
    *_entity(),
    Column("name", String(255), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("owner_email", String(320), nullable=False),
    Column("user_id", BigInteger),
    Column("is_active", Boolean, nullable=False),
    Column("bodies", String(16), nullable=False),
    Column("monthly_budget_nanos", BigInteger, nullable=False),
    Column("budget_reset_day", Integer, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("budget_fail", String(8), nullable=False),
    Column("rate_limit_rpm", BigInteger, nullable=False),
    Column("rate_limit_tpm", BigInteger, nullable=False),
    Column("max_concurrent", Integer, nullable=False),
    Column("allowed_ips", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice: budgets, events and audit name it for ever
)

APP_LLMS = Table(
    "app_llms",
    METADATA,
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
    Column("llm_id", ForeignKey("llms.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("monthly_budget_nanos", BigInteger, nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    *_entity(),
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    sqlite_autoincrement=True,  # an id is never given twice: budgets, events and audit name it for ever
)

PRICES = Table(
    "prices",
    METADATA,
    *_entity(),
    Column("key", String(255), nullable=False, unique=True),
    Column("price_version", String(64), nullable=False),
    Column("vendor", String(64), nullable=False),
    Column("model_name", String(256), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("prompt_nanos", BigInteger, nullable=False),
    Column("response_nanos", BigInteger, nullable=False),
    Column("cache_read_nanos", BigInteger, nullable=False),
    Column("cache_write_nanos", BigInteger, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("cache_write_1h_nanos", BigInteger),
    Column("audio_prompt_nanos", BigInteger),
    Column("audio_response_nanos", BigInteger),
    Column("image_prompt_nanos", BigInteger),
    Column("image_response_nanos", BigInteger),
    Column("request_nanos", BigInteger, nullable=False),
    Column("tool_request_nanos", BigInteger, nullable=False),
    Column("tiers", JSON, nullable=False),
    Column("batch_percent", Integer, nullable=False),
    Column("aliases", JSON, nullable=False),
    UniqueConstraint("vendor", "model_name", "valid_from"),
    sqlite_autoincrement=True,  # an id is never given twice: budgets, events and audit name it for ever
)

PLUGINS = Table(
    "plugins",
    METADATA,
    *_entity(),
    Column("name", String(255), nullable=False, unique=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("checksum", String(128), nullable=False),
    Column("plugin_type", String(64), nullable=False),
    Column("hook_types", JSON, nullable=False),
    Column("config", JSON, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    Column("on_failure", String(8)),
    Column("namespace", String(255), nullable=False),
    Column("on_stream", String(8), nullable=False),
    Column("on_oversize", String(8), nullable=False),
    Column("max_concurrent", Integer, nullable=False),
    Column("breaker_failures", Integer, nullable=False),
    Column("breaker_pause_seconds", Float, nullable=False),
    Column("service_scopes", JSON, nullable=False),
    Column("hook_types_customized", Boolean, nullable=False),
    Column("token", Text, nullable=False),
    Column("ca_file", Text, nullable=False),
    Column("manifest", JSON(none_as_null=True)),
    Column("config_schema", JSON(none_as_null=True)),
    Column("validated_at", BigInteger),
    sqlite_autoincrement=True,  # an id is never given twice: budgets, events and audit name it for ever
)

LLM_PLUGINS = Table(
    "llm_plugins",
    METADATA,
    Column("llm_id", ForeignKey("llms.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("plugin_id", ForeignKey("plugins.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("is_active", Boolean, nullable=False),
    Column("config", JSON(none_as_null=True)),
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), index=True),
    Column("on_stream", String(8)),
)

CHANGES = Table(
    "changes",
    METADATA,
    Column("generation", _ID, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("entity_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""What changed, in order; the last row's number is the generation."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("token_id", BigInteger),
    Column("action", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("entity_id", BigInteger, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Index(None, "kind", "entity_id"),
)
"""Who changed what, before and after, secrets masked."""

IDEMPOTENCY = Table(
    "idempotency",
    METADATA,
    Column("token_id", BigInteger, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
)

FILE_STATE = Table(
    "file_state",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""One row: the entities of ``sluice.yaml`` as they were last written here."""

SLICES = Table(
    "budget_slices",
    METADATA,
    Column("scope", String(8), primary_key=True),
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("llm_id", BigInteger, primary_key=True, autoincrement=False),
    Column("period_start", BigInteger, primary_key=True, autoincrement=False),
    Column("host", String(128), primary_key=True),
    Column("period_end", BigInteger, nullable=False),
    Column("granted_nanos", BigInteger, nullable=False),
    Column("returned_nanos", BigInteger, nullable=False),
    Column("spent_nanos", BigInteger, nullable=False),
    Column("written_off_nanos", BigInteger, nullable=False),
    Column("requests_count", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("response_tokens", BigInteger, nullable=False),
    Column("recall_at", BigInteger, nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    Index(None, "app_id", "period_start"),
)
"""What the ledger granted to a host, cumulative, and what the host reported. ``scope`` is app, llm or app_llm; an id
that the scope has not is 0."""

BUDGETS = Table(
    "budget_periods",
    METADATA,
    Column("scope", String(8), primary_key=True),
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("llm_id", BigInteger, primary_key=True, autoincrement=False),
    Column("period_start", BigInteger, primary_key=True, autoincrement=False),
    Column("period_end", BigInteger, nullable=False),
    Column("limit_nanos", BigInteger, nullable=False),
    Column("alerted_percent", Integer, nullable=False),
)
"""One row a budget and period: what a grant locks, the limit it was last granted under, the highest alert given."""
