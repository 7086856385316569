"""Records to an archived file and back: what the log had, byte for byte, and beside it the event for those who look.

``_offset``, ``_appended_at``, ``_key``, ``_value`` and ``_headers`` are the record; ``_problem`` says why it is no
event that could be read. An event's own fields stand in columns of their names (Parquet), or below ``event`` (JSON
lines). The bodies of proxy logs are in ``_value`` alone: twice they would double the archive.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson
import polars as pl

from collectors.columns import Decoder
from collectors.deliveries import Delivery
from collectors.documents import row_lines
from collectors.frames import COLUMNS
from collectors.jobs.sums import Sums
from collectors.sinks.formats import compressed, decompressed
from collectors.sinks.settings import Compression
from collectors.tracker import Lane
from schemas.events import Kind
from sluice.clock import micros_of
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord

FormatName = Literal["parquet", "jsonl"]

ROWS = 5_000
"""Of a row group, and of a batch that is read."""
MAX_LINE_BYTES = 32 << 20
_BATCH_BYTES = 16 << 20
_SUFFIXES: dict[Compression, str] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_CODECS: dict[Compression, Literal["uncompressed", "gzip", "zstd"]] = {
    "none": "uncompressed",
    "gzip": "gzip",
    "zstd": "zstd",
}
_TIME = pl.Datetime("us", "UTC")
_BODIES = ("request_body", "response_body")
_HEADERS = pl.List(pl.Struct({"name": pl.String, "value": pl.Binary}))
RAW: dict[str, Any] = {
    "_offset": pl.Int64,
    "_appended_at": pl.Datetime("ms", "UTC"),
    "_key": pl.Binary,
    "_value": pl.Binary,
    "_headers": _HEADERS,
    "_problem": pl.String,
}
"""The columns that every archived file has."""


class DamagedFileError(Exception):
    """A file that is not what it should be; the message says in what, without values."""


def extension_of(format_: FormatName, compression: Compression) -> str:
    """With its dot."""
    return ".parquet" if format_ == "parquet" else ".jsonl" + _SUFFIXES[compression]


@dataclass(slots=True)
class Tally:
    """What some records are, in figures; of one topic."""

    records: int = 0
    undecodable: int = 0
    """Of the records of an event's topic."""
    late: int = 0
    """Appended, by the log's clock, before the hour they are kept in: their own was complete."""
    first_ms: int | None = None
    last_ms: int | None = None
    """The earliest and the latest append time."""
    last_record_ms: int = 0
    """That of the last record."""
    schemas: set[str] = field(default_factory=set)
    """Keys, in hex, of those that events were decoded with."""
    sums: Sums = field(default_factory=Sums)

    def note(self, records: Sequence[PolledRecord], since_ms: int) -> None:
        """Count records; those appended before ``since_ms`` are late."""
        times = [record.timestamp for record in records]
        self.records += len(times)
        self.last_record_ms = times[-1]
        self.late += sum(time < since_ms for time in times)
        self.first_ms = min(times) if self.first_ms is None else min(self.first_ms, *times)
        self.last_ms = max(times) if self.last_ms is None else max(self.last_ms, *times)


def decode(decoder: Decoder, records: Sequence[PolledRecord], partition: Partition, tally: Tally) -> list[pl.DataFrame]:
    """Frames of archived rows: the events by schema, and all that is none; each record is in exactly one."""
    delivery = Delivery()
    delivery.add_lane(records, Lane(partition))
    decoded = decoder.decode(delivery)
    parts = []
    for frame in decoded.frames:
        tally.sums.add(frame.kind, frame.rows)
        tally.schemas.update(decoder.book.key_of(record.value).hex() for record in frame.delivery.records[:1])
        parts.append(_flat(frame.kind, frame.rows, raw_rows(frame.delivery.records)))
    poison = decoded.poison
    if len(poison):
        parts.append(raw_rows(poison.delivery.records, [error.reason for error in poison.errors]))
    parts += [raw_rows(group.records, ["unknown_schema"] * len(group)) for group in decoded.unknown.values()]
    tally.undecodable += len(poison) + sum(map(len, decoded.unknown.values()))
    return parts


def _flat(kind: Kind, rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    kept = rows.drop(_BODIES) if kind == "proxy_log" else rows
    return raw.hstack(kept.get_columns())


def raw_rows(records: Sequence[PolledRecord], problems: Sequence[str] | None = None) -> pl.DataFrame:
    """The records as they are."""
    return pl.DataFrame(
        {
            "_offset": [record.offset for record in records],
            "_appended_at": pl.Series([record.timestamp for record in records], dtype=pl.Int64).cast(
                RAW["_appended_at"]
            ),
            "_key": [record.key for record in records],
            "_value": [record.value for record in records],
            "_headers": _headers([record.headers for record in records]),
            "_problem": problems if problems is not None else [None] * len(records),
        },
        schema=RAW,
    )


def _headers(headers: Sequence[Sequence[tuple[str, bytes]]]) -> pl.Series:
    """By way of flat columns: a struct for each header would be as dear as all the rest."""
    width = len(headers[0])
    if not width or any(len(each) != width for each in headers):
        listed = [[{"name": name, "value": value} for name, value in each] for each in headers]
        return pl.Series(listed, dtype=_HEADERS)
    flat = list(chain.from_iterable(headers))
    names = pl.Series("name", [name for name, _ in flat], dtype=pl.String)
    values = pl.Series("value", [value for _, value in flat], dtype=pl.Binary)
    return pl.DataFrame([names, values]).to_struct("_headers").reshape((len(headers), width)).cast(_HEADERS)


class FileContent:
    """The content of one file, row by row in the order of the log; the same bytes for the same records."""

    def __init__(self, kind: Kind | None, format_: FormatName, compression: Compression) -> None:
        self._kind = kind
        self._format = format_
        self._compression = compression
        self._parts: list[pl.DataFrame] = []
        self._lines = io.BytesIO()
        self._stream = compressed(self._lines, compression) if format_ == "jsonl" else None
        self._file: Any = None if self._stream is None else self._stream.__enter__()

    def add(self, parts: Sequence[pl.DataFrame]) -> None:
        """Rows that follow what is there; in any order among themselves."""
        rows = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal").sort("_offset")
        if self._file is None:
            self._parts.append(rows)
        else:
            self._file.write(b"".join(_json_lines(self._kind, rows)))

    def body(self) -> bytes:
        """The whole file; nothing can be added any more."""
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            return self._lines.getvalue()
        rows = pl.concat(self._parts, how="diagonal")
        self._parts = []
        rows = rows.with_columns(_typed(self._kind, rows))
        rows.write_parquet(self._lines, compression=_CODECS[self._compression], row_group_size=ROWS)
        return self._lines.getvalue()


def _typed(kind: Kind | None, rows: pl.DataFrame) -> list[pl.Expr]:
    """An event's times as such."""
    if kind is None or "event_id" not in rows.columns:
        return []
    columns = {name: column for name, column in COLUMNS[kind].items() if name in rows.columns}
    typed = [pl.col(name).cast(_TIME) for name, column in columns.items() if column.is_micros]
    for name, column in columns.items():
        if column.micros_within:
            times = [pl.field(part).cast(_TIME) for part in column.micros_within]
            typed.append(pl.col(name).list.eval(pl.element().struct.with_fields(*times)))
    return typed


def _json_lines(kind: Kind | None, rows: pl.DataFrame) -> list[bytes]:
    """Every record's own fields, then the event."""
    moment = pl.col("_appended_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    pair = pl.struct(pl.element().struct["name"], pl.element().struct["value"].bin.encode("base64"))
    raw = pl.struct(
        "_offset",
        moment.alias("_appended_at"),
        *(pl.col(name).bin.encode("base64") for name in ("_key", "_value")),
        pl.col("_headers").list.eval(pair),
        "_problem",
    ).struct.json_encode()
    heads: list[str] = rows.select(raw).to_series().to_list()
    events = _events(kind, rows)
    return [b"%s%s}\n" % (head[:-1].encode(), event) for head, event in zip(heads, events, strict=True)]


def _events(kind: Kind | None, rows: pl.DataFrame) -> Iterator[bytes]:
    if kind is None or "event_id" not in rows.columns:
        yield from [b""] * rows.height
        return
    are_events = rows["event_id"].is_not_null()
    named = rows.filter(are_events).select(name for name in COLUMNS[kind] if name in rows.columns)
    lines = iter(row_lines(kind, _with_bodies(kind, named)))
    for is_event in are_events:
        yield b',"event":' + next(lines) if is_event else b""


def _with_bodies(kind: Kind, rows: pl.DataFrame) -> pl.DataFrame:
    if kind != "proxy_log":
        return rows
    return rows.with_columns([pl.lit(None, dtype=pl.Binary).alias(name) for name in _BODIES])


def read_records(path: Path, name: str, topic: str, partition: Partition) -> Iterator[list[PolledRecord]]:
    """The records of a file of ours, some thousands at a time; raises DamagedFileError."""
    try:
        if name.endswith(".parquet"):
            yield from _parquet_records(path, topic, partition)
        else:
            with path.open("rb") as raw, decompressed(raw, name) as file:
                yield from _line_records(file, topic, partition)
    except DamagedFileError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise DamagedFileError(f"cannot be read: {type(error).__name__}") from error


def _parquet_records(path: Path, topic: str, partition: Partition) -> Iterator[list[PolledRecord]]:
    scanned = pl.scan_parquet(path, glob=False).select(RAW.keys())
    height = int(scanned.select(pl.len()).collect().item())
    for start in range(0, height, ROWS):
        rows = scanned.slice(start, ROWS).collect()
        headers = rows["_headers"]
        flat = headers.explode(empty_as_null=False, keep_nulls=False).struct
        pairs = iter(zip(flat.field("name").to_list(), flat.field("value").to_list(), strict=True))
        offsets, times = rows["_offset"].to_list(), rows["_appended_at"].dt.epoch("ms").to_list()
        keys, values, counts = rows["_key"].to_list(), rows["_value"].to_list(), headers.list.len().to_list()
        yield [
            StoredRecord(topic, partition.partition, offset, time, key, value, [next(pairs) for _ in range(count)])
            for offset, time, key, value, count in zip(offsets, times, keys, values, counts, strict=True)
        ]


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each within a bound."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise DamagedFileError(f"has a line of more than {MAX_LINE_BYTES} bytes")
        if not line.endswith(b"\n"):
            raise DamagedFileError("ends within a line")
        yield line


def _line_records(file: Any, topic: str, partition: Partition) -> Iterator[list[PolledRecord]]:
    found: list[PolledRecord] = []
    size = 0
    for line in lines_of(file):
        found.append(_line_record(line, topic, partition))
        size += len(line)
        if len(found) == ROWS or size > _BATCH_BYTES:
            yield found
            found, size = [], 0
    if found:
        yield found


def _line_record(line: bytes, topic: str, partition: Partition) -> StoredRecord:
    given = orjson.loads(line)
    headers: Any = [(each["name"], _bytes(each["value"])) for each in given["_headers"]]
    time = _millis(given["_appended_at"])
    key, value = _bytes(given["_key"]), _bytes(given["_value"])
    return StoredRecord(topic, partition.partition, int(given["_offset"]), time, key, value, headers)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _millis(text: str) -> int:
    return micros_of(datetime.fromisoformat(text)) // 1_000
