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
from sluice.eventstore.names import PERIOD_FORMS, Period

_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"
_NANOS = 1_000_000_000
_BODIES = ("request_body", "response_body")


def index_of(stem: str, period: Period = "day") -> pl.Expr:
    """The index of each row's day, month or year."""
    return pl.lit(stem + "-") + pl.col("occurred_at").cast(pl.Datetime("us")).dt.strftime(PERIOD_FORMS[period])


def bulk_lines(kind: Kind, rows: pl.DataFrame, stem: str, period: Period | None = "day") -> list[bytes]:
    """Two lines for each row: ``create`` under the event's id, and the document. The index is that of the event's day
    or other period; without one it is ``stem`` itself, as a data stream wants it."""
    index = pl.lit(stem) if period is None else index_of(stem, period)
    action = pl.lit('{"create":{"_index":"'), index, pl.lit('","_id":"'), pl.col("event_id"), pl.lit('"}}\n')
    lines = _with_text(rows) if kind == "proxy_log" else rows
    document = pl.struct(_document(kind)).struct.json_encode()
    # all in one: a text that is put together of texts copies each document once more, a fifth of the time of proxy logs
    return lines.select(pl.concat_str(*action, document, pl.lit("\n")).cast(pl.Binary)).to_series().to_list()


def document_lines(kind: Kind, rows: pl.DataFrame, end: str = "") -> list[bytes]:
    """The document of each row as JSON, in one line with this end."""
    shown = _with_text(rows) if kind == "proxy_log" else rows
    document = pl.struct(_document(kind)).struct.json_encode()
    if end:
        document = pl.concat_str(document, pl.lit(end))
    return shown.select(document.cast(pl.Binary)).to_series().to_list()


def row_lines(kind: Kind, rows: pl.DataFrame) -> list[bytes]:
    """The fields of each event under their own names and nothing added, as JSON in one line without its end.

    Only the proxy log has beside them whether bytes of a body that were no text had to be replaced.
    """
    shown, fields = rows, [_field(kind, name) for name in COLUMNS[kind]]
    if kind == "proxy_log":
        shown, fields = _with_text(rows), [*fields, *(pl.col(f"{body}_replaced") for body in _BODIES)]
    return shown.select(pl.struct(fields).struct.json_encode().cast(pl.Binary)).to_series().to_list()


def _document(kind: Kind) -> list[pl.Expr]:
    return [*_added(kind), *(_field(kind, name) for name in COLUMNS[kind] if name != "occurred_at")]


def _added(kind: Kind) -> list[pl.Expr]:
    added = [_moment(pl.col("occurred_at")).alias("@timestamp")]
    if "cost_nanos" in COLUMNS[kind]:
        # by a column: a division by a scalar is a product with its reciprocal, which is off by a bit for one in three
        nanos = pl.col("cost_nanos")
        added.append((nanos / (nanos * 0 + _NANOS)).alias("cost"))
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


def without_nul(rows: pl.DataFrame) -> pl.DataFrame:
    """Texts with U+FFFD for each NUL, for databases whose texts have none; lists are JSON, which escapes it."""
    has_nul = rows.select(pl.selectors.string().str.contains("\0", literal=True).any()).row(0)
    if not any(has_nul):
        return rows
    return rows.with_columns(pl.selectors.string().str.replace_all("\0", "\ufffd", literal=True))


def table_rows(kind: Kind, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """A row of the events database for each event: integers and bytes as they are, lists as JSON text."""
    lists = [name for name, column in COLUMNS[kind].items() if isinstance(column.dtype, pl.List)]
    found = rows.to_dicts()
    for row in found:
        for name in lists:
            row[name] = orjson.dumps(row[name]).decode()
    return found
