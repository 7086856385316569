"""Frames to files: JSON lines, CSV with the reference's headers, Parquet; compressed or not.

A *piece* is one event in a format, or several in a row that stay together. Pieces are packed while a file grows, so
that what is durable can be read back piece by piece, and become a file's content when it is finished.
"""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

import polars as pl

from collectors.documents import document_lines
from collectors.frames import COLUMNS
from collectors.sinks.settings import Compression, FormatName
from schemas.events import Kind

_SUFFIXES: dict[Compression, str] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_NANOS = 1_000_000_000
_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"
_COUNT = struct.Struct("<I")


class Format(Protocol):
    """How the events of one kind become a file."""

    @property
    def extension(self) -> str:
        """With its dot."""
        ...

    def pieces(self, rows: pl.DataFrame) -> Sequence[Any]:
        """One for each row."""
        ...

    def pack(self, pieces: Sequence[Any]) -> bytes:
        """Some pieces as bytes."""
        ...

    def unpack(self, packed: bytes) -> Sequence[Any]:
        """The pieces again, an event in each."""
        ...

    def unpack_whole(self, packed: bytes) -> Sequence[Any]:
        """The same events in as few pieces as it takes."""
        ...

    def write(self, pieces: Iterable[Any], file: BinaryIO) -> None:
        """A finished file's content."""
        ...


def format_of(kind: Kind, name: FormatName, compression: Compression) -> Format:
    """The format of a kind's files; the reference has no CSV of proxy logs, which are JSON lines then."""
    if name == "parquet":
        return Parquet(kind, compression)
    if name == "csv" and kind in CSV_HEADERS:
        return Csv(kind, compression)
    return JsonLines(kind, compression)


class _Lines:
    """Pieces are lines as they are."""

    base = ""
    head = b""

    def __init__(self, kind: Kind, compression: Compression) -> None:
        self.kind = kind
        self._compression = compression

    @property
    def extension(self) -> str:
        return self.base + _SUFFIXES[self._compression]

    def pack(self, pieces: Sequence[bytes]) -> bytes:
        return b"".join((_COUNT.pack(len(pieces)), struct.pack(f"<{len(pieces)}I", *map(len, pieces)), *pieces))

    def unpack(self, packed: bytes) -> list[bytes]:
        [count] = _COUNT.unpack_from(packed)
        lengths = struct.unpack_from(f"<{count}I", packed, _COUNT.size)
        pieces, at = [], _COUNT.size * (count + 1)
        for length in lengths:
            pieces.append(packed[at : at + length])
            at += length
        return pieces

    def unpack_whole(self, packed: bytes) -> list[bytes]:
        [count] = _COUNT.unpack_from(packed)
        return [packed[_COUNT.size * (count + 1) :]]

    def write(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        with compressed(file, self._compression) as content:
            content.write(self.head)
            for piece in pieces:
                content.write(piece)


class JsonLines(_Lines):
    """A document in a line, with the names Elasticsearch's have."""

    base = ".jsonl"

    def pieces(self, rows: pl.DataFrame) -> list[bytes]:
        """Each with its end of line."""
        return document_lines(self.kind, rows, "\n")


CSV_HEADERS: dict[Kind, tuple[str, ...]] = {
    "analytics": (
        "timestamp", "llm_id", "model_name", "vendor", "prompt_tokens", "response_tokens", "cache_write_tokens",
        "cache_read_tokens", "total_tokens", "cost", "currency", "app_id", "user_id", "tool_calls", "choices",
        "request_id",
    ),
    "budget": (
        "timestamp", "app_id", "llm_id", "tokens_used", "cost", "requests_count", "prompt_tokens",
        "completion_tokens", "period_start", "period_end", "request_id",
    ),
}  # fmt: skip
"""The reference's columns, in its order."""

_CSV_SOURCES = {
    "cache_write_tokens": "cache_write_prompt_tokens",
    "cache_read_tokens": "cache_read_prompt_tokens",
}


class Csv(_Lines):
    """The reference's columns; absent values are empty, cost is exact, text is quoted where it must be."""

    base = ".csv"

    @property
    def head(self) -> bytes:  # type: ignore[override]  # the kind's
        """The line of names."""
        return ",".join(CSV_HEADERS[self.kind]).encode() + b"\n"

    def pieces(self, rows: pl.DataFrame) -> list[bytes]:
        """Each with its end of line; a text may hold further ones."""
        fields = [self._field(name) for name in CSV_HEADERS[self.kind]]
        line = pl.concat_str([pl.concat_str(fields, separator=","), pl.lit("\n")])
        return rows.select(line.cast(pl.Binary)).to_series().to_list()

    def _field(self, name: str) -> pl.Expr:
        if name == "timestamp":
            return _moment(pl.col("occurred_at"))
        if name == "cost":
            return _exact_cost().fill_null("")
        if name in {"period_start", "period_end"}:
            return _moment(pl.col("charges").list.first().struct.field(name)).fill_null("")
        source = _CSV_SOURCES.get(name, name)
        column = pl.col(source)
        return _quoted(column) if COLUMNS[self.kind][source].dtype == pl.String else _text(column)


def _text(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.String).fill_null("")


def _quoted(column: pl.Expr) -> pl.Expr:
    text = column.fill_null("")
    quoted = pl.concat_str([pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"')])
    return pl.when(text.str.contains('[",\r\n]')).then(quoted).otherwise(text)


def _moment(micros: pl.Expr) -> pl.Expr:
    return micros.cast(pl.Datetime("us")).dt.strftime(_RFC3339)


def _exact_cost() -> pl.Expr:
    """Nanos as a decimal number, to the last digit."""
    digits = pl.col("cost_nanos").cast(pl.String).str.strip_prefix("-").str.zfill(10)
    sign = pl.when(pl.col("cost_nanos") < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str([sign, digits.str.head(-9), pl.lit("."), digits.str.tail(9)])


class Row(NamedTuple):
    """One row of a frame."""

    rows: pl.DataFrame
    at: int


_PARQUET_CODECS: dict[Compression, Literal["uncompressed", "gzip", "zstd"]] = {
    "none": "uncompressed",
    "gzip": "gzip",
    "zstd": "zstd",
}


class Parquet:
    """The event's own columns with their types: times as such, bodies as bytes, ``cost`` beside ``cost_nanos``."""

    def __init__(self, kind: Kind, compression: Compression) -> None:
        self.kind = kind
        self._codec = _PARQUET_CODECS[compression]

    @property
    def extension(self) -> str:
        """Whatever it is compressed with within."""
        return ".parquet"

    def pieces(self, rows: pl.DataFrame) -> list[Row]:
        """Places in the frame."""
        typed = rows.with_columns(self._typed())
        return [Row(typed, at) for at in range(typed.height)]

    def _typed(self) -> list[pl.Expr]:
        typed = [_time(pl.col(name)) for name, column in COLUMNS[self.kind].items() if column.is_micros]
        for name, column in COLUMNS[self.kind].items():
            if column.micros_within:
                times = [_time(pl.field(part)) for part in column.micros_within]
                typed.append(pl.col(name).list.eval(pl.element().struct.with_fields(*times)))
        if "cost_nanos" in COLUMNS[self.kind]:
            typed.append((pl.col("cost_nanos") / _NANOS).alias("cost"))
        return typed

    def pack(self, pieces: Sequence[Row]) -> bytes:
        """As Arrow's stream."""
        buffer = io.BytesIO()
        _table(pieces).write_ipc_stream(buffer)
        return buffer.getvalue()

    def unpack(self, packed: bytes) -> list[Row]:
        """The rows again."""
        rows = pl.read_ipc_stream(io.BytesIO(packed))
        return [Row(rows, at) for at in range(rows.height)]

    def unpack_whole(self, packed: bytes) -> list[pl.DataFrame]:
        """All rows."""
        return [pl.read_ipc_stream(io.BytesIO(packed))]

    def write(self, pieces: Iterable[Row | pl.DataFrame], file: BinaryIO) -> None:
        """One file of all."""
        _table(list(pieces)).write_parquet(file, compression=self._codec)


def _time(micros: pl.Expr) -> pl.Expr:
    return micros.cast(pl.Datetime("us", "UTC"))


def _table(pieces: Sequence[Row | pl.DataFrame]) -> pl.DataFrame:
    """The rows in their order, taken together where they come from one frame."""
    parts: list[pl.DataFrame] = []
    for _, run in groupby(pieces, _frame_of):
        together = list(run)
        if isinstance(together[0], pl.DataFrame):
            parts.append(together[0])
        else:
            parts.append(together[0].rows[[piece.at for piece in together if isinstance(piece, Row)]])
    return pl.concat(parts, rechunk=True)


def _frame_of(piece: Row | pl.DataFrame) -> int:
    return id(piece if isinstance(piece, pl.DataFrame) else piece.rows)


def compressed(file: BinaryIO, compression: Compression) -> AbstractContextManager[Any]:
    """A file that compresses what is written into it; the same bytes for the same content."""
    if compression == "gzip":
        return gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, filename="", mtime=0)
    if compression == "zstd":
        import zstandard  # noqa: PLC0415 - only where it is asked for

        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return nullcontext(file)


def decompressed(raw: BinaryIO, name: str) -> AbstractContextManager[Any]:
    """What was compressed, as the end of its name says."""
    if name.endswith(".gz"):
        return gzip.open(raw, "rb")
    if name.endswith(".zst"):
        import zstandard  # noqa: PLC0415 - only where there are such files

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, closefd=False))
    return nullcontext(raw)
