"""The tables: a column for each field of an event, one row for each ``event_id``, a partition for each UTC day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from schemas.avro_schema import event_schema
from schemas.events import Kind

DEDUPLICATION_WINDOW = 10_000
"""Blocks whose tokens a table remembers."""

_FEW_VALUES = frozenset(
    (
        "gateway_id", "worker", "llm_slug", "vendor", "outcome", "method", "model_name", "error_kind", "currency",
        "price_id", "price_version", "cost_status", "kind", "request_content_type", "response_content_type",
    )
)  # fmt: skip
_PLAIN = {"string": "String", "long": "Int64", "boolean": "Bool", "bytes": "String"}
_MOMENT = "DateTime64(6, 'UTC')"
_LARGE = frozenset(("request_body", "response_body", "raw_usage"))


def columns_of(kind: Kind) -> dict[str, str]:
    """Every column with its type, in the order of the event."""
    columns = {}
    for field in event_schema(kind)["fields"]:
        text = _type_of(field["type"])
        columns[field["name"]] = f"LowCardinality({text})" if field["name"] in _FEW_VALUES else text
    if kind == "proxy_log":
        columns |= {"request_body_replaced": "Bool", "response_body_replaced": "Bool"}
    return columns


def _type_of(avro_type: Any) -> str:
    if isinstance(avro_type, list):
        return f"Nullable({_type_of(avro_type[1])})"
    if isinstance(avro_type, str):
        return _PLAIN[avro_type]
    if avro_type["type"] == "array":
        return f"Array({_type_of(avro_type['items'])})"
    if avro_type["type"] == "record":
        parts = [f"{field['name']} {_type_of(field['type'])}" for field in avro_type["fields"]]
        return f"Tuple({', '.join(parts)})"
    return _MOMENT if avro_type.get("logicalType") == "timestamp-micros" else _PLAIN[avro_type["type"]]


def create_table(database: str, table: str, kind: Kind) -> str:
    """The statement that makes a table which is not there."""
    columns = ",\n  ".join(f"`{name}` {text}{_codec(name)}" for name, text in columns_of(kind).items())
    return (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}` (\n  {columns}\n) "
        "ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(occurred_at) ORDER BY event_id "
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
    )


def _codec(name: str) -> str:
    return " CODEC(ZSTD(3))" if name in _LARGE else ""


def add_columns(database: str, table: str, missing: Mapping[str, str]) -> str:
    """The statement that gives an older table what it lacks."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` {text}{_codec(name)}" for name, text in missing.items())
    return f"ALTER TABLE `{database}`.`{table}` {added}"


def missing_columns(kind: Kind, present: Collection[str]) -> dict[str, str]:
    """What a table lacks."""
    return {name: text for name, text in columns_of(kind).items() if name not in present}


def insert_rows(database: str, table: str, kind: Kind) -> str:
    """The statement whose rows follow in the body; the columns are named, so a table may have more."""
    return (
        f"INSERT INTO `{database}`.`{table}` ({', '.join(f'`{name}`' for name in columns_of(kind))}) FORMAT JSONEachRow"
    )


COLUMNS_QUERY = (
    "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} FORMAT TabSeparated"
)
"""Asked with ``param_database`` and ``param_table``."""
