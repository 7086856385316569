"""A file's content: every record byte for byte, the event beside it for readers, and damage that is always told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.columns import Decoder
from collectors.services.archive import contents
from collectors.services.archive.contents import (
    DamagedFileError,
    FileContent,
    Tally,
    decode,
    extension_of,
    raw_rows,
    read_records,
)
from schemas.codec import SchemaBook
from schemas.events import Kind
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.services.archive.benches import FORMS, in_order

WHERE = Partition("t.alert.v1", 0)


def written(folder: Path, kind: Kind | None, form: tuple[Any, Any], records: list[StoredRecord]) -> Path:
    """A file of these."""
    content, tally = FileContent(kind, *form), Tally()
    if kind is None:
        content.add([raw_rows(records)])
    else:
        content.add(decode(Decoder(SchemaBook()), records, partition_of(kind), tally))
    path = folder / f"x{extension_of(*form)}"
    path.write_bytes(content.body())
    return path


_HEADERS = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9)), max_size=3)
_RECORDS = st.lists(
    st.tuples(st.none() | st.binary(max_size=30), st.none() | st.binary(max_size=40), _HEADERS), min_size=1, max_size=8
)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_records=_RECORDS)
def test_any_record_comes_back(tmp_path: Path, form: tuple[Any, Any], given_records: list[Any]) -> None:
    """Whatever bytes are in keys, values and headers, and whether they are there at all."""
    records = [
        StoredRecord(WHERE.topic, 0, 7 * offset, 1_764_000_000_000 + offset, key, value, headers)
        for offset, (key, value, headers) in enumerate(given_records)
    ]
    path = written(tmp_path, None, form, records)
    found = [each for part in read_records(path, path.name, *WHERE[:1], WHERE) for each in part]
    assert in_order(found) == in_order(records)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_records_make_the_same_bytes(tmp_path: Path, form: tuple[Any, Any]) -> None:
    """By this two archivers agree without knowing of one another."""
    records = numbered([make_record() for _ in range(20)])
    first = written(tmp_path, "analytics", form, records).read_bytes()
    assert written(tmp_path, "analytics", form, records).read_bytes() == first


def test_parquet_is_for_whoever_looks(tmp_path: Path) -> None:
    """The event's own columns with their types; of a proxy log not its bodies, which are in the value; a record that is
    no event has its problem and nothing else."""
    records = numbered([make_record("proxy_log") for _ in range(3)])
    records[1].value = b"junk"
    rows = pl.read_parquet(written(tmp_path, "proxy_log", ("parquet", "zstd"), records))
    assert rows["_offset"].to_list() == [0, 1, 2]
    assert rows["_problem"].to_list() == [None, "bad_frame", None]
    assert rows["event_id"].is_null().to_list() == [False, True, False]
    assert rows["occurred_at"].dtype == pl.Datetime("us", "UTC")
    assert rows["_appended_at"].dtype == pl.Datetime("ms", "UTC")
    assert not {"request_body", "response_body"} & set(rows.columns)
    charges = pl.read_parquet(written(tmp_path, "budget", ("parquet", "zstd"), numbered([make_record("budget")])))
    assert charges["charges"].explode().struct.field("period_start").dtype == pl.Datetime("us", "UTC")


def test_json_lines_are_for_whoever_looks(tmp_path: Path) -> None:
    """A line for each record: its own fields, then the event under ``event``, money as an integer."""
    records = numbered([make_record(), make_record()])
    records[1].value = None
    text = written(tmp_path, "analytics", ("jsonl", "none"), records).read_bytes()
    lines = [orjson.loads(line) for line in text.splitlines()]
    assert lines[0]["event"]["cost_nanos"] == 123_456_789
    assert (lines[1]["_problem"], "event" in lines[1]) == ("null_value", False)


def test_tallies_count_what_is_there() -> None:
    """Events, what is none, money, ids by an order-independent sum, late ones by their time."""
    records = numbered([make_record() for _ in range(6)])
    records[2].value = b""
    tally, turned = Tally(), Tally()
    decode(Decoder(SchemaBook()), records, partition_of(), tally)
    decode(Decoder(SchemaBook()), records[::-1], partition_of(), turned)
    assert (tally.undecodable, tally.sums.events) == (1, 5)
    assert tally.sums.as_dict() == turned.sums.as_dict()
    tally.note(records, records[0].timestamp + 1)
    assert (tally.records, tally.late, tally.first_ms) == (6, 6, records[0].timestamp)


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_file_is_told_and_never_half_believed(tmp_path: Path, form: tuple[Any, Any]) -> None:
    """Cut anywhere, it raises one error of ours, or gives what is whole before it does."""
    path = written(tmp_path, "analytics", form, numbered([make_record() for _ in range(20)]))
    whole = path.read_bytes()
    for at in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:at])
        found = 0
        try:
            found = sum(len(part) for part in read_records(path, path.name, "t", partition_of()))
        except DamagedFileError:
            continue
        assert found < 20


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"null\n", b"x\n", b'{"_offset":"x"}\n', b"\n", b"\xff\n", b"{"])
def test_garbage_lines_are_one_error_of_ours(tmp_path: Path, line: bytes) -> None:
    """Never another, whatever stands there."""
    (tmp_path / "x.jsonl").write_bytes(line)
    with pytest.raises(DamagedFileError):
        list(read_records(tmp_path / "x.jsonl", "x.jsonl", "t", WHERE))


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound it is damage."""
    monkeypatch.setattr(contents, "MAX_LINE_BYTES", 1_000)
    (tmp_path / "x.jsonl").write_bytes(b"x" * 5_000)
    with pytest.raises(DamagedFileError, match="more than 1000 bytes"):
        list(read_records(tmp_path / "x.jsonl", "x.jsonl", "t", WHERE))
