"""Today's columns of each event, made from its schema, and how rows of other versions are fitted to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl

from schemas.avro_schema import event_schema
from schemas.events import KINDS, Kind
from sluice.clock import micros_of

EVENT_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,200}$"
"""What may stand in a document id and on a bulk line as it is; Elasticsearch's own bound is 512 bytes."""

FIRST_MICROS = micros_of(datetime.min.replace(tzinfo=UTC))
LAST_MICROS = micros_of(datetime.max.replace(tzinfo=UTC))
"""The years 1 to 9999: what a datetime, and so the record decoder, can hold."""

_PLAIN: dict[str, tuple[Any, Any]] = {
    "string": (pl.String, ""),
    "long": (pl.Int64, 0),
    "boolean": (pl.Boolean, False),
    "bytes": (pl.Binary, b""),
}


class Column(NamedTuple):
    """One column: its type, what stands there for a writer that did not know it, and the times within."""

    dtype: Any
    default: Any
    is_micros: bool = False
    micros_within: tuple[str, ...] = ()
    """Fields of the structs in a list column that are times."""


def _column(avro_type: Any) -> Column:
    if isinstance(avro_type, list):
        return _column(avro_type[1])._replace(default=None)
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        items = avro_type["items"]
        if isinstance(items, dict) and items["type"] == "record":
            parts = {field["name"]: _column(field["type"]) for field in items["fields"]}
            dtype = pl.List(pl.Struct({name: part.dtype for name, part in parts.items()}))
            return Column(dtype, [], micros_within=tuple(name for name, part in parts.items() if part.is_micros))
        return Column(pl.List(_column(items).dtype), [])
    if isinstance(avro_type, dict):
        return Column(*_PLAIN[avro_type["type"]], is_micros=avro_type.get("logicalType") == "timestamp-micros")
    return Column(*_PLAIN[avro_type])


COLUMNS: dict[Kind, dict[str, Column]] = {
    kind: {field["name"]: _column(field["type"]) for field in event_schema(kind)["fields"]} for kind in KINDS
}
"""Every field of today's events, in the order of the schema."""


def fit(kind: Kind, rows: pl.DataFrame) -> pl.DataFrame | None:
    """Rows of any version with today's columns, or ``None`` where a type is not today's."""
    height, fitted = rows.height, []
    for name, column in COLUMNS[kind].items():
        if name not in rows.columns:
            fitted.append(pl.Series(name, [column.default] * height, dtype=column.dtype))
        elif rows[name].dtype != column.dtype:
            return None
        else:
            fitted.append(rows[name])
    return pl.DataFrame(fitted)


def is_sound(kind: Kind, rows: pl.DataFrame) -> bool:
    """Whether every id can be a document's and every time is one."""
    if not rows["event_id"].str.contains(EVENT_ID_PATTERN).all():
        return False
    for name, column in COLUMNS[kind].items():
        if column.is_micros and not _are_times(rows[name]):
            return False
        for field in column.micros_within:
            if not _are_times(rows[name].explode().struct.field(field)):
                return False
    return True


def _are_times(values: pl.Series) -> bool:
    return bool(values.is_between(FIRST_MICROS, LAST_MICROS).all())


def frame_of(kind: Kind, events: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Decoded events as rows; their times become integers again."""
    schema = {name: column.dtype for name, column in COLUMNS[kind].items()}
    return pl.DataFrame([_with_micros(kind, event) for event in events], schema=schema, orient="row")


def _with_micros(kind: Kind, event: dict[str, Any]) -> dict[str, Any]:
    for name, column in COLUMNS[kind].items():
        if column.is_micros:
            event[name] = micros_of(event[name])
        for field in column.micros_within:
            for item in event[name]:
                item[field] = micros_of(item[field])
    return event
