"""The events database: a table per event, a column per field, exact integers for money and time.

Times are microseconds since the epoch, money is nanos, bodies are the bytes that were recorded; lists are JSON text.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Inspector,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex

from schemas.avro_schema import event_schema
from schemas.events import KINDS, Kind

METADATA = MetaData()

TABLE_NAMES: dict[Kind, str] = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget_usage"}

_FURTHER_INDEXES: dict[Kind, dict[str, tuple[str, ...]]] = {
    "proxy_log": {},
    "analytics": {
        "app_id": ("app_id", "occurred_at", "event_id"),  # pages of an app's events are skipped in the index alone
        "llm_id": ("llm_id", "currency", "total_tokens", "cost_nanos"),  # an LLM's figures are read from it alone
    },
    "budget": {},
}

FIGURES: dict[Kind, tuple[str, ...]] = {
    "proxy_log": ("app_id", "llm_slug", "vendor", "model_name", "outcome", "error_kind"),
    "analytics": (
        *("app_id", "user_id", "llm_id", "llm_slug", "vendor", "model_name", "outcome", "response_code", "is_stream"),
        *("currency", "cost_nanos", "cost_status", "total_micros", "upstream_micros", "first_byte_micros"),
        *("prompt_tokens", "response_tokens", "total_tokens", "reasoning_tokens", "tool_calls"),
        *("cache_read_prompt_tokens", "cache_write_prompt_tokens"),
    ),
    "budget": (
        *("app_id", "llm_id", "llm_slug", "kind", "currency"),
        *("cost_nanos", "reserved_nanos", "tokens_used", "requests_count"),
    ),
}
"""What dashboards read. SQLite has them in the index of time, so that a panel reads neither bodies nor raw usage, which
stand between the figures of a row; PostgreSQL refuses long texts in an index, and keeps long values beside the row."""

_ONLY = "only"
"""With an index that one of the two databases has: which."""

_COLUMN_TYPES: dict[str, type] = {"string": Text, "long": BigInteger, "boolean": Boolean, "bytes": LargeBinary}


def _column(field: dict[str, Any]) -> Column[Any]:
    kind, nullable = field["type"], False
    if isinstance(kind, list):
        kind, nullable = kind[1], True
    if isinstance(kind, dict):
        kind = "string" if kind["type"] == "array" else kind["type"]
    is_key = field["name"] == "event_id"
    return Column(field["name"], _COLUMN_TYPES[kind](), primary_key=is_key, nullable=nullable, comment=field["doc"])


def list_fields(kind: Kind) -> tuple[str, ...]:
    """The fields that are stored as JSON text."""
    fields = event_schema(kind)["fields"]
    return tuple(
        field["name"] for field in fields if isinstance(field["type"], dict) and field["type"]["type"] == "array"
    )


def _table(kind: Kind) -> Table:
    name = TABLE_NAMES[kind]
    table = Table(name, METADATA, *map(_column, event_schema(kind)["fields"]))
    Index(f"ix_{name}_exchange_id", table.c.exchange_id)
    Index(f"ix_{name}_occurred_at", table.c.occurred_at, info={_ONLY: "postgresql"})
    Index(f"ix_{name}_figures", *(table.c[each] for each in ("occurred_at", *FIGURES[kind])), info={_ONLY: "sqlite"})
    for first, columns in _FURTHER_INDEXES[kind].items():
        Index(f"ix_{name}_{first}", *(table.c[column] for column in columns))
    return table


TABLES: dict[Kind, Table] = {kind: _table(kind) for kind in KINDS}
"""The table of each event; ``event_id`` is its key, which is what makes a second write known."""


def is_wanted(index: Index, dialect: str) -> bool:
    """Whether a database of this kind (``sqlite``, ``postgresql``) has this index."""
    return bool(index.info.get(_ONLY, dialect) == dialect)


def lacking_indexes(connection: Connection) -> list[str]:
    """Those that ``create_tables`` would make of tables that are there: to make them takes as long as the rows are
    many."""
    known = inspect(connection)
    names = {table.name: {found["name"] for found in known.get_indexes(table.name)} for table in _present(known)}
    return [
        str(index.name)
        for table in METADATA.sorted_tables
        for index in sorted(table.indexes, key=lambda found: str(found.name))
        if table.name in names and is_wanted(index, connection.dialect.name) and index.name not in names[table.name]
    ]


def _present(known: Inspector) -> list[Table]:
    return [table for table in METADATA.sorted_tables if known.has_table(table.name)]


def create_tables(connection: Connection) -> None:
    """Make the tables and indexes that are missing; an older database gets the indexes it lacks, and loses the one that
    a wider one stands for.

    Whoever writes calls it at start. Any number of processes may at once, and again. The three indexes of analytics
    over a million rows take SQLite some ten seconds, once, in which nothing is written; that of the proxy logs reads
    all of them once, bodies too.
    """
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda found: str(found.name)):
            wanted = is_wanted(index, connection.dialect.name)
            connection.execute(CreateIndex(index, if_not_exists=True) if wanted else DropIndex(index, if_exists=True))
