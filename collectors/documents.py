"""Frames to documents: the JSON lines of a bulk, and the rows of a table, as column expressions.

A document has the event's fields under their own names; times as RFC 3339 text, bodies as text, and added to them
``@timestamp`` (``occurred_at``), ``cost`` beside ``cost_nanos``, and on budgets the app's period.
"""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl

from collectors.frames import COLUMNS
from schemas.events import Kind

_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"
_NANOS = 1_000_000_000
_BODIES = ("request_body", "response_body")


def index_of(stem: str) -> pl.Expr:
    """The daily index of each row."""
    return pl.lit(stem + "-") + pl.col("occurred_at").cast(pl.Datetime("us")).dt.strftime("%Y.%m.%d")


def bulk_lines(kind: Kind, rows: pl.DataFrame, stem: str) -> list[bytes]:
    """Two lines for each row: ``create`` under the event's id in its day's index, and the document."""
    action = pl.concat_str(
        pl.lit('{"create":{"_index":"'), index_of(stem), pl.lit('","_id":"'), "event_id", pl.lit('"}}\n')
    )
    lines = _with_text(rows) if kind == "proxy_log" else rows
    document = pl.struct(_document(kind)).struct.json_encode()
    return lines.select(pl.concat_str(action, document, pl.lit("\n")).cast(pl.Binary)).to_series().to_list()


def _document(kind: Kind) -> list[pl.Expr]:
    return [*_added(kind), *(_field(kind, name) for name in COLUMNS[kind] if name != "occurred_at")]


def _added(kind: Kind) -> list[pl.Expr]:
    added = [_moment(pl.col("occurred_at")).alias("@timestamp")]
    if "cost_nanos" in COLUMNS[kind]:
        added.append((pl.col("cost_nanos") / _NANOS).alias("cost"))
    if kind == "budget":
        first = pl.col("charges").list.first().struct
        added += [_moment(first.field(name)).alias(name) for name in ("period_start", "period_end")]
    if kind == "proxy_log":
        added += [pl.col(f"{body}_replaced") for body in _BODIES]
    return added


def _field(kind: Kind, name: str) -> pl.Expr:
    column = COLUMNS[kind][name]
    if column.is_micros:
        return _moment(pl.col(name))
    if column.micros_within:
        times = [_moment(pl.field(part)) for part in column.micros_within]
        return pl.col(name).list.eval(pl.element().struct.with_fields(*times))
    return pl.col(name)


def _moment(micros: pl.Expr) -> pl.Expr:
    return micros.cast(pl.Datetime("us")).dt.strftime(_RFC3339)


def _with_text(rows: pl.DataFrame) -> pl.DataFrame:
    """Bodies as text; where bytes were not UTF-8 they are replaced, and the document says so."""
    columns = []
    for name in _BODIES:
        text, replaced = _text(rows[name])
        columns += [text, replaced.alias(f"{name}_replaced")]
    return rows.with_columns(columns)


def _text(body: pl.Series) -> tuple[pl.Series, pl.Series]:
    try:
        return body.cast(pl.String), pl.repeat(False, len(body), dtype=pl.Boolean, eager=True)
    except pl.exceptions.ComputeError:
        values = body.to_list()
    texts = [value if value is None else value.decode("utf-8", "replace") for value in values]
    replaced = [text is not None and text.encode() != value for text, value in zip(texts, values, strict=True)]
    return pl.Series(body.name, texts, dtype=pl.String), pl.Series(replaced, dtype=pl.Boolean)


def table_rows(kind: Kind, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """A row of the events database for each event: integers and bytes as they are, lists as JSON text."""
    lists = [name for name, column in COLUMNS[kind].items() if isinstance(column.dtype, pl.List)]
    found = rows.to_dicts()
    for row in found:
        for name in lists:
            row[name] = orjson.dumps(row[name]).decode()
    return found
