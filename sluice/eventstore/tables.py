"""The events database: a table per event, a column per field, exact integers for money and time.

Times are microseconds since the epoch, money is nanos, bodies are the bytes that were recorded; lists are JSON text.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, LargeBinary, MetaData, Table, Text
from sqlalchemy.schema import CreateIndex, CreateTable

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
    Index(f"ix_{name}_occurred_at", table.c.occurred_at)
    for first, columns in _FURTHER_INDEXES[kind].items():
        Index(f"ix_{name}_{first}", *(table.c[column] for column in columns))
    return table


TABLES: dict[Kind, Table] = {kind: _table(kind) for kind in KINDS}
"""The table of each event; ``event_id`` is its key, which is what makes a second write known."""


def create_tables(connection: Connection) -> None:
    """Make the tables and indexes that are missing; an older database gets the indexes it lacks.

    Whoever writes calls it at start. Any number of processes may at once, and again. The two indexes of
    analytics over a million rows take SQLite some seven seconds, once, in which nothing is written.
    """
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda found: str(found.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))
