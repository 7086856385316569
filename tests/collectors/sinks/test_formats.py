"""What files hold: the same events whatever the format, exact, and readable by others."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import zstandard

from collectors.sinks.formats import CSV_HEADERS, Format, compressed, decompressed, format_of
from collectors.sinks.settings import Compression, FormatName
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS
from tests.contracts.sink_laws import LogPart

NAMES: tuple[FormatName, ...] = ("jsonl", "csv", "parquet")
COMPRESSIONS: tuple[Compression, ...] = ("none", "gzip", "zstd")


def rows(kind: Kind = "analytics", count: int = 3, **changes: Any) -> pl.DataFrame:
    """Events."""
    return LogPart().frame(kind, count, **changes).rows


def written(form: Format, pieces: Any) -> bytes:
    """A finished file."""
    file = io.BytesIO()
    form.write(iter(pieces), file)
    return file.getvalue()


def table(**changes: Any) -> dict[str, str]:
    """The one row of a CSV file, by its column."""
    kind: Kind = changes.pop("of", "analytics")
    form = format_of(kind, "csv", "none")
    [row] = csv.DictReader(io.StringIO(written(form, form.pieces(rows(kind, 1, **changes))).decode(), newline=""))
    return row


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_packed_comes_back(kind: Kind, name: FormatName, compression: Compression) -> None:
    """A file made of pieces that went through a growing file is the one made at once, byte for byte."""
    form = format_of(kind, name, compression)
    pieces = [*form.pieces(rows(kind, 5)), *form.pieces(rows(kind, 2))]
    again = [*form.unpack(form.pack(pieces[:4])), *form.unpack(form.pack(pieces[4:]))]
    assert written(form, again) == written(form, pieces)
    whole = [*form.unpack_whole(form.pack(pieces[:4])), *form.unpack(form.pack(pieces[4:]))]
    assert written(form, whole) == written(form, pieces)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_compression_is_what_the_name_says(compression: Compression) -> None:
    """Tools of others open it: one member, one frame."""
    form = format_of("analytics", "jsonl", compression)
    content = written(form, form.pieces(rows()))
    plain = {
        "none": lambda: content,
        "gzip": lambda: gzip.decompress(content),
        "zstd": lambda: zstandard.ZstdDecompressor().stream_reader(content).read(),
    }[compression]()
    assert len([json.loads(line) for line in plain.splitlines()]) == 3
    assert form.extension == {"none": ".jsonl", "gzip": ".jsonl.gz", "zstd": ".jsonl.zst"}[compression]


def test_the_headers_are_the_references() -> None:
    """In its order, to the letter."""
    assert ",".join(CSV_HEADERS["analytics"]) == (
        "timestamp,llm_id,model_name,vendor,prompt_tokens,response_tokens,cache_write_tokens,cache_read_tokens,"
        "total_tokens,cost,currency,app_id,user_id,tool_calls,choices,request_id"
    )
    assert ",".join(CSV_HEADERS["budget"]) == (
        "timestamp,app_id,llm_id,tokens_used,cost,requests_count,prompt_tokens,completion_tokens,period_start,"
        "period_end,request_id"
    )
    form = format_of("budget", "csv", "none")
    assert written(form, []) == ",".join(CSV_HEADERS["budget"]).encode() + b"\n"


def test_a_row_says_what_the_event_says() -> None:
    """Every column, and what is absent is empty while zero is zero."""
    assert table() == {
        "timestamp": "2025-11-24T16:00:00.000000Z", "llm_id": "3", "model_name": "gpt-4o", "vendor": "openai",
        "prompt_tokens": "12", "response_tokens": "34", "cache_write_tokens": "", "cache_read_tokens": "0",
        "total_tokens": "46", "cost": "0.123456789", "currency": "USD", "app_id": "7", "user_id": "",
        "tool_calls": "0", "choices": "1", "request_id": "r-1",
    }  # fmt: skip
    budget = table(of="budget")
    assert (budget["period_start"], budget["period_end"]) == (
        "2025-11-01T00:00:00.000000Z",
        "2025-12-01T00:00:00.000000Z",
    )
    assert (budget["tokens_used"], budget["requests_count"], budget["completion_tokens"]) == ("46", "1", "34")


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [(0, "0.000000000"), (1, "0.000000001"), (-1, "-0.000000001"), (10**9, "1.000000000"), (-(10**9), "-1.000000000"),
     (2**53 + 1, "9007199.254740993"), (2**63 - 1, "9223372036.854775807"), (-(2**63), "-9223372036.854775808"),
     (None, "")],
)  # fmt: skip
def test_cost_is_exact(nanos: int | None, shown: str) -> None:
    """To the last nano: no float on the way."""
    assert table(cost_nanos=nanos)["cost"] == shown


@pytest.mark.parametrize("text", ["a,b", 'say "x"', "two\nlines", "cr\r\nlf", "", "\0", "=1+1", "ü😀", '"', ",,,\n\n"])
def test_any_text_comes_back(text: str) -> None:
    """Quoted where it must be, so that a reader of CSV finds the text and the columns after it."""
    row = table(request_id=text, vendor=text, model_name=text or None)
    assert (row["request_id"], row["vendor"], row["model_name"], row["choices"]) == (text, text, text, "1")


def test_a_budget_that_was_charged_nowhere_has_no_period() -> None:
    """Empty, not an error."""
    row = table(of="budget", charges=[])
    assert (row["period_start"], row["period_end"], row["request_id"]) == ("", "", "r-1")


def test_proxy_logs_have_no_csv() -> None:
    """The reference has none either: they are JSON lines."""
    assert format_of("proxy_log", "csv", "gzip").extension == ".jsonl.gz"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_parquet_has_types(compression: Compression) -> None:
    """Times are times, bodies are bytes as they were, nanos are integers, lists are lists."""
    form = format_of("proxy_log", "parquet", compression)
    found = pl.read_parquet(written(form, form.pieces(rows("proxy_log", 2, request_body=b"\xff\x00"))))
    assert found["request_body"].to_list() == [b"\xff\x00"] * 2
    assert found["occurred_at"][0] == datetime.fromtimestamp(NOW_MICROS / 1e6, UTC)
    assert found["plugins"][0].to_list() == [{"plugin": "p", "hook": "pre_auth", "micros": 3, "decision": "allow"}]
    budget = format_of("budget", "parquet", compression)
    money = pl.read_parquet(written(budget, budget.pieces(rows("budget", 1, cost_nanos=2**63 - 1))))
    assert money["cost_nanos"].to_list() == [2**63 - 1]
    assert money["charges"][0][0]["period_start"] == datetime(2025, 11, 1, tzinfo=UTC)


def test_parquet_of_picked_rows() -> None:
    """Any of the rows of several frames, in the order in which they are given."""
    form = format_of("analytics", "parquet", "none")
    first, second = rows(count=4), rows(count=3)
    a, b = form.pieces(first), form.pieces(second)
    found = pl.read_parquet(written(form, [a[3], a[1], b[2], a[0]]))
    ids, others = first["event_id"], second["event_id"]
    assert found["event_id"].to_list() == [ids[3], ids[1], others[2], ids[0]]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_what_is_compressed_is_read_by_its_name(compression: Compression) -> None:
    """The same bytes for the same content, and back."""
    bodies = []
    for _ in range(2):
        file = io.BytesIO()
        with compressed(file, compression) as content:
            content.write(b"some lines\n" * 1_000)
        bodies.append(file.getvalue())
    assert bodies[0] == bodies[1]
    suffix = {"none": "", "gzip": ".gz", "zstd": ".zst"}[compression]
    with decompressed(io.BytesIO(bodies[0]), f"x.jsonl{suffix}") as back:
        assert back.read() == b"some lines\n" * 1_000
