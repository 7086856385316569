"""Batches that we encode ourselves, read by aiokafka's own reader and compared with what its own builder makes."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.codec import zstd_decode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import cloudevent_headers
from sluice.eventlog.journal.entries import TRACEPARENT, WrittenRecord
from sluice.eventlog.kafka.record_batch import HEADER, RecordBatch, fill_batch

ROOM = 1 << 30
LAST_MICROS = 253_402_300_799_999_999
NULLABLE = st.none() | st.binary(max_size=300)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.integers(0, LAST_MICROS) | st.integers(1_700_000_000_000_000, 1_700_000_002_000_000)
TRACES = st.sampled_from([(), ((TRACEPARENT, b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)])
EVENTS = st.builds(
    WrittenRecord, st.just(0), st.just("sluice.budget.v1"), NULLABLE, NULLABLE, st.binary(min_size=1, max_size=80),
    MOMENTS, TRACES, st.just(0),
)  # fmt: skip
OTHER_HEADERS = st.sampled_from([(("other", b"value"),), ((TRACEPARENT, b""),), ((TRACEPARENT, b"1"), ("other", b"2"))])
ALIKE = st.builds(
    WrittenRecord, st.just(0), st.just("sluice.budget.v1"), st.sampled_from([b"x-1", b"x-2", b"x-10"]),
    st.sampled_from([b"", b"value", b"value" * 2000]), st.sampled_from([b"x-1-b", b"x-2-b", b"x-10-b"]),
    st.integers(1_700_000_000_999_000, 1_700_000_001_001_000), TRACES | OTHER_HEADERS, st.just(0),
)  # fmt: skip
SIDE_RECORDS = st.builds(
    WrittenRecord, st.just(0), st.just("sluice.budget.v1"), NULLABLE, NULLABLE, st.just(b""), st.just(0),
    st.lists(st.tuples(NAMES, st.binary(max_size=30)), max_size=4).map(tuple), st.just(0),
)  # fmt: skip


def event(number: int = 1, value: bytes = b"value") -> WrittenRecord:
    """An event as the journal holds it."""
    key = f"x-{number}".encode()
    return WrittenRecord(number, "sluice.budget.v1", key, value, key + b"-b", 1_700_000_000_000_007, (), 5)


def expected_headers(record: WrittenRecord, source: str) -> list[tuple[str, bytes]]:
    """As the specification has them, one by one."""
    if not record.event_id:
        return list(record.headers)
    _, *others = cloudevent_headers(record.topic, "", source, record.occurred_at)
    return [("ce_id", record.event_id), *others, *record.headers]


def built(batch: RecordBatch, *, sequence: int = 3) -> bytes:
    """As it goes to a broker."""
    batch._set_producer_state(77, 5, sequence)
    return batch._build()


def read(raw: bytes) -> DefaultRecordBatch:
    """By aiokafka, which checks lengths as it goes."""
    batch = DefaultRecordBatch(bytearray(raw))
    assert batch.validate_crc()
    return batch


@given(st.lists(EVENTS | SIDE_RECORDS, min_size=1, max_size=6), NAMES)
@settings(deadline=None)
def test_the_records_are_those_of_aiokafka_s_own_builder(records: list[WrittenRecord], source: str) -> None:
    """Byte for byte, before compression: events and side records, with and without a key, a value, a trace."""
    assert_as_aiokafka_s(records, source)


@given(st.lists(ALIKE | ALIKE | SIDE_RECORDS, min_size=1, max_size=12))
@settings(deadline=None)
def test_what_follows_from_the_event_before_is_right_for_this_one(records: list[WrittenRecord]) -> None:
    """Events that are alike, and that differ in a length, in the second or in their headers, in any order."""
    assert_as_aiokafka_s(records, "gateway-1")


def assert_as_aiokafka_s(records: list[WrittenRecord], source: str) -> None:
    """The bytes of a batch of these are those of aiokafka's builder."""
    own = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, ROOM)
    for offset, record in enumerate(records):
        own.append(offset, 1, record.key, record.value, expected_headers(record, source))
    batch, end = fill_batch(records, 0, ROOM, source)
    raw = built(batch)
    assert (end, batch.record_count()) == (len(records), len(records))
    assert zstd_decode(raw[HEADER.size :]) == bytes(own.build())[HEADER.size :]
    assert batch.size() == own.size()


@pytest.mark.parametrize("is_transactional", [False, True])
def test_the_head_says_what_the_broker_checks(is_transactional: bool) -> None:
    """Its checksum, the producer with its epoch and sequence number, whether it is part of a transaction, its last
    offset and how many records there are."""
    records = [event(number) for number in range(3)]
    raw = built(fill_batch(records, 0, ROOM, "gateway-1", is_transactional=is_transactional)[0])
    batch = read(raw)
    found = (batch.magic, batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.last_offset_delta)
    assert found == (2, 77, 5, 3, 2)
    assert batch.is_transactional is is_transactional
    assert batch.compression_type == 4, "zstd"
    assert batch.next_offset == 3
    assert [record.value for record in batch] == [b"value"] * 3
    assert HEADER.unpack_from(raw)[1] == len(raw) - 12


def test_sent_again_it_is_the_same_bytes() -> None:
    """A broker knows a batch again that it has already: aiokafka builds it for each attempt."""
    batch, _ = fill_batch([event()], 0, ROOM, "gateway-1")
    assert built(batch) is batch._build()


@given(st.lists(st.integers(0, 400), min_size=1, max_size=20), st.integers(1, 2000))
@settings(deadline=None)
def test_no_batch_is_larger_than_it_may_be(sizes: list[int], max_bytes: int) -> None:
    """But for one of a single record; each is as full as can be, and none is lost between two."""
    records = [event(number, bytes(size)) for number, size in enumerate(sizes)]
    start, found = 0, []
    while start < len(records):
        batch, end = fill_batch(records, start, max_bytes, "gateway-1")
        assert batch.record_count() == end - start > 0
        assert batch.size() <= max_bytes or end - start == 1
        if end < len(records):
            assert fill_batch(records[start : end + 1], 0, ROOM, "gateway-1")[0].size() > max_bytes
        found += [record.value for record in read(built(batch))]
        start = end
    assert found == [record.value for record in records]


def test_a_batch_has_so_many_records_at_most() -> None:
    """However small they are; the next batch goes on behind them."""
    records = [event()] * 8193
    batch, end = fill_batch(records, 0, ROOM, "gateway-1")
    assert (end, batch.record_count()) == (8192, 8192)
    assert len(list(read(built(batch)))) == 8192
    rest, end = fill_batch(records, end, ROOM, "gateway-1")
    assert (end, rest.record_count()) == (8193, 1)


def test_what_is_published_may_be_another_value() -> None:
    """Who has a schema registry frames values anew; a batch is filled by what it then takes."""
    asked: list[tuple[str, Any]] = []

    def longer(topic: str, value: bytes | None) -> bytes:
        asked.append((topic, value))
        return b"framed " + (value or b"")

    batch, _ = fill_batch([event()], 0, ROOM, "gateway-1", value_of=longer)
    assert [record.value for record in read(built(batch))] == [b"framed value"]
    assert asked == [("sluice.budget.v1", b"value")]
    assert batch.size() > fill_batch([event()], 0, ROOM, "gateway-1")[0].size()


def test_nothing_more_goes_in() -> None:
    """aiokafka would put single records of the same partition into a batch that takes them."""
    batch, _ = fill_batch([event()], 0, ROOM, "gateway-1")
    batch.close()
    assert batch.closed()
    assert batch.append(timestamp=None, key=b"", value=b"", headers=[]) is None
    assert batch.record_count() == 1
