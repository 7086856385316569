"""Rows of files that sinks wrote, JSON lines and Parquet, to events again: exact integers, times to the microsecond.

A body that was no text has lost bytes in JSON: the document says so (``request_body_replaced``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import polars as pl

from collectors.columns import Decoded
from collectors.deliveries import Delivery, Frame, Poison
from collectors.errors import Unprocessable
from collectors.frames import COLUMNS, is_sound
from collectors.services.archive.contents import ROWS, DamagedFileError, lines_of
from collectors.services.archive.layout import kind_of
from collectors.sinks.formats import decompressed
from collectors.tracker import Lane
from schemas.cloudevents import EVENT_ID
from schemas.codec import SchemaBook
from schemas.events import Kind
from sluice.clock import micros_of
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord

_BATCH_BYTES = 16 << 20
_BODIES = ("request_body", "response_body")


def read_documents(
    path: Path, name: str, topic: str, partition: Partition, first: int
) -> Iterator[Sequence[PolledRecord]]:
    """The rows of a file as records, numbered from ``first``; their values are for ``DocumentDecoder``."""
    kind = kind_of(topic)
    if kind is None:
        raise DamagedFileError(f"is of {topic}, which holds no events")
    try:
        values = _parquet_values(path, kind) if name.endswith(".parquet") else _line_values(path, name)
        for batch in values:
            records = [_record(topic, partition, first + at, value, row) for at, (value, row) in enumerate(batch)]
            first += len(records)
            yield records
    except DamagedFileError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise DamagedFileError(f"cannot be read: {type(error).__name__}") from error


def _record(topic: str, partition: Partition, offset: int, value: bytes, row: dict[str, Any]) -> StoredRecord:
    event_id = str(row["event_id"]).encode()
    ended = _micros(row.get("completed_at") or row.get("@timestamp") or row["occurred_at"])
    key = str(row.get("exchange_id", "")).encode()
    return StoredRecord(topic, partition.partition, offset, ended // 1_000, key, value, [(EVENT_ID, event_id)])


def _line_values(path: Path, name: str) -> Iterator[list[tuple[bytes, dict[str, Any]]]]:
    batch: list[tuple[bytes, dict[str, Any]]] = []
    size = 0
    with path.open("rb") as raw, decompressed(raw, name) as file:
        for line in lines_of(file):
            batch.append((line, orjson.loads(line)))
            size += len(line)
            if len(batch) == ROWS or size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _parquet_values(path: Path, kind: Kind) -> Iterator[list[tuple[bytes, dict[str, Any]]]]:
    scanned = pl.scan_parquet(path, glob=False)
    names = [name for name in COLUMNS[kind] if name in scanned.collect_schema().names()]
    scanned = scanned.select(names)
    height = int(scanned.select(pl.len()).collect().item())
    for start in range(0, height, ROWS):
        rows = scanned.slice(start, ROWS).collect().to_dicts()
        yield [(msgspec.msgpack.encode(_plain(row)), row) for row in rows]


def _plain(value: Any) -> Any:
    """Times as microseconds."""
    if isinstance(value, datetime):
        return micros_of(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def _micros(value: Any) -> int:
    if isinstance(value, str):
        return micros_of(datetime.fromisoformat(value))
    return micros_of(value) if isinstance(value, datetime) else int(value)


class DocumentDecoder:
    """A ``Decodes`` of what ``read_documents`` gives."""

    def __init__(self, book: SchemaBook) -> None:
        self.book = book
        self.column_failures = 0

    def decode(self, delivery: Delivery) -> Decoded:
        """Frames by kind, and what is no event."""
        decoded = Decoded()
        groups: dict[Kind, _Group] = {}
        for record, lane in zip(delivery.records, delivery.lanes, strict=True):
            try:
                kind, row = _row(record)
            except Unprocessable as error:
                decoded.poison.add(record, lane, error)
                continue
            groups.setdefault(kind, _Group()).add(record, lane, row)
        decoded.frames = [
            frame for kind, group in groups.items() if len((frame := self._frame(kind, group, decoded.poison)).delivery)
        ]
        return decoded

    def _frame(self, kind: Kind, group: _Group, poison: Poison) -> Frame:
        rows = _frame(kind, group.rows)
        if rows is not None:
            return Frame(kind, rows, group.delivery)
        self.column_failures += 1
        sound, rows = _sound_ones(kind, group, poison)
        return Frame(kind, rows, sound.delivery)


@dataclass(slots=True)
class _Group:
    """Rows of one kind with their records."""

    delivery: Delivery = field(default_factory=Delivery)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, record: PolledRecord, lane: Lane, row: dict[str, Any]) -> None:
        self.delivery.add(record, lane)
        self.rows.append(row)


def _sound_ones(kind: Kind, group: _Group, poison: Poison) -> tuple[_Group, pl.DataFrame]:
    """One by one: those that are no events are poison."""
    sound = _Group()
    for record, lane, row in zip(group.delivery.records, group.delivery.lanes, group.rows, strict=True):
        if _frame(kind, [row]) is None:
            poison.add(record, lane, Unprocessable("bad_document", "a value that no event has"))
        else:
            sound.add(record, lane, row)
    frame = _frame(kind, sound.rows)
    assert frame is not None  # noqa: S101 - each of them is sound
    return sound, frame


def _frame(kind: Kind, rows: Sequence[dict[str, Any]]) -> pl.DataFrame | None:
    """Today's columns; ``None`` where a value is none of its column's."""
    schema = {name: column.dtype for name, column in COLUMNS[kind].items()}
    try:
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame if not frame.height or (is_sound(kind, frame) and _is_whole(kind, frame)) else None
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - a wrong type shows as any of TypeError, …
        return None


def _is_whole(kind: Kind, frame: pl.DataFrame) -> bool:
    """Whether nothing is null that must not be."""
    needed = [name for name, column in COLUMNS[kind].items() if column.default is not None]
    return not any(frame[name].null_count() for name in needed)


def _row(record: PolledRecord) -> tuple[Kind, dict[str, Any]]:
    """One row with today's columns; raises Unprocessable."""
    kind = kind_of(record.topic)
    value = record.value or b""
    if kind is None:
        raise Unprocessable("bad_document", f"{record.topic} holds no events")
    try:
        given = orjson.loads(value) if value[:1] == b"{" else msgspec.msgpack.decode(value)
        return kind, {name: _field(kind, name, given) for name in COLUMNS[kind]}
    except Unprocessable:
        raise
    except Exception as error:
        raise Unprocessable("bad_document", type(error).__name__) from error


def _field(kind: Kind, name: str, given: dict[str, Any]) -> Any:
    """A value of a column's own type and no other: polars would take 1.5 nanos for 1."""
    column = COLUMNS[kind][name]
    source = "@timestamp" if name == "occurred_at" and name not in given else name
    if source not in given:
        if name in _NEEDED:
            raise Unprocessable("bad_document", f"{name} is missing")
        return column.default
    value = given[source]
    if value is None:
        return None
    if column.is_micros:
        return _micros(value)
    if name in _BODIES and isinstance(value, str):
        return value.encode()
    if column.micros_within:
        return [{**each, **{part: _micros(each[part]) for part in column.micros_within}} for each in value]
    if not _is_a(value, column.dtype):
        raise Unprocessable("bad_document", f"{name} is of another type")
    return value


_TYPES: dict[Any, type] = {pl.String: str, pl.Int64: int, pl.Boolean: bool, pl.Binary: bytes}


def _is_a(value: Any, dtype: Any) -> bool:
    if isinstance(dtype, pl.List):
        inner: Any = dtype.inner
        return type(value) is list and all(_is_a(each, inner) for each in value)
    if isinstance(dtype, pl.Struct):
        parts = {part.name: part.dtype for part in dtype.fields}
        return type(value) is dict and all(
            name in parts and (each is None or _is_a(each, parts[name])) for name, each in value.items()
        )
    return type(value) is _TYPES[dtype]


_NEEDED = ("event_id", "exchange_id", "occurred_at", "gateway_id")
