"""Entries: the records of one append, read back as they were, or not at all."""

from __future__ import annotations

import struct
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import EncodedEvent
from schemas.events import KINDS, SUFFIXES, Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.entries import (
    ENTRY,
    RECORD,
    SEGMENT_SHIFT,
    Copy,
    DamagedEntryError,
    WrittenRecord,
    decode_entry,
    encode_events,
    encode_record,
    entry_head,
    last_sequences,
)
from sluice.eventlog.journal.frames import ENTRY_MARK
from sluice.eventlog.journal.header import event_topics
from sluice.eventlog.journal.recovery import no_sequences
from tests.sluice.eventlog.journal.making import BOOK, exchange

TOPICS = event_topics(Topics())
SIDE = 255
texts = st.text(st.characters(codec="utf-8"), max_size=20)
micros = st.integers(-(2**63), 2**63 - 1)
events = st.builds(
    EncodedEvent,
    kind=st.sampled_from(KINDS),
    exchange_id=texts,
    occurred_at=micros,
    tail=st.binary(max_size=50),
    traceparent=texts,
)
records = st.builds(
    Record,
    topic=texts,
    key=st.binary(max_size=30),
    value=st.none() | st.binary(max_size=60),
    headers=st.lists(st.tuples(texts, st.binary(max_size=20)), max_size=3).map(tuple),
)
firsts = st.integers(0, 2**32 - 1)
times = st.integers(0, 2**62)


def event(kind: Kind = "proxy_log", exchange_id: str = "x-1", **fields: Any) -> EncodedEvent:
    """A small event."""
    return msgspec.structs.replace(EncodedEvent(kind, exchange_id, 1_000, b"tail"), **fields)


@given(st.lists(events, max_size=6), firsts, times, st.integers(0, 2**31))
@settings(deadline=None)
def test_events_are_read_back(found: list[EncodedEvent], first: int, at_ms: int, segment: int) -> None:
    """Offsets count from the first, key and id are the exchange's, the value has the sequence number that was given."""
    sequences = no_sequences()
    copy = Copy(TOPICS, segment, [])
    payload = encode_events(found, sequences, first, at_ms, copy)
    counted = no_sequences()
    expected = []
    for offset, own in enumerate(found, (segment << SEGMENT_SHIFT) + first):
        counted[own.kind] += 1
        expected.append(
            WrittenRecord(
                offset,
                TOPICS[KINDS.index(own.kind)],
                own.exchange_id.encode(),
                own.value(counted[own.kind]),
                own.event_id.encode(),
                own.occurred_at,
                (("traceparent", own.traceparent.encode()),) if own.traceparent else (),
                at_ms,
            )
        )
    assert decode_entry(payload, TOPICS, segment) == copy.records == expected
    assert encode_events(found, no_sequences(), first, at_ms) == payload  # which it joins otherwise
    assert entry_head(payload) == (first, len(found), at_ms)
    assert sequences == counted
    assert last_sequences(payload) == {own.kind: counted[own.kind] for own in found}


@given(records, firsts, times, st.integers(0, 2**31))
@settings(deadline=None)
def test_a_side_record_is_read_back(record: Record, first: int, at_ms: int, segment: int) -> None:
    """Topic, key, value and headers as published; an empty value is not ``None``; it has no id and gives no number."""
    copy = Copy(TOPICS, segment, [])
    payload = encode_record(record, first, at_ms, copy)
    (found,) = decode_entry(payload, TOPICS, segment)
    assert copy.records == [found]
    assert (found.topic, found.key, found.value, found.headers) == record
    assert (found.offset, found.appended_at_ms) == ((segment << SEGMENT_SHIFT) + first, at_ms)
    assert (found.event_id, found.occurred_at) == (b"", 0)
    assert entry_head(payload) == (first, 1, at_ms)
    assert last_sequences(payload) == {}


@given(st.one_of(st.lists(events, min_size=1, max_size=3), records), st.data())
@settings(deadline=None)
def test_a_payload_of_another_length_is_damage(what: list[EncodedEvent] | Record, data: st.DataObject) -> None:
    """Cut anywhere behind its head, or with bytes behind it: no record is made of it."""
    payload = encode_record(what, 0, 0) if isinstance(what, Record) else encode_events(what, no_sequences(), 0, 0)
    cut = data.draw(st.integers(0, len(payload) - 1))
    more = data.draw(st.binary(min_size=1, max_size=5))
    for damaged in (payload[:cut], payload + more):
        with pytest.raises(DamagedEntryError):
            decode_entry(damaged, TOPICS, 1)


@given(st.binary(max_size=200), st.integers(0, 5))
@settings(deadline=None)
def test_garbage_is_damage_or_nothing_at_all(garbage: bytes, count: int) -> None:
    """Whatever stands behind a sound head: DamagedEntryError and no other, from both who look inside."""
    payload = ENTRY.pack(ENTRY_MARK, count, 0, 0) + garbage
    if count or garbage:
        with pytest.raises(DamagedEntryError):
            decode_entry(payload, (), 1)
    try:
        given_numbers = last_sequences(payload)
    except DamagedEntryError:
        return
    assert set(given_numbers) <= set(KINDS)


@pytest.mark.parametrize("index", [3, 4, 254])
def test_a_topic_that_the_header_does_not_name_is_damage(index: int) -> None:
    """Only the header's topics and 255 mean something."""
    payload = ENTRY.pack(ENTRY_MARK, 1, 0, 0) + RECORD.pack(index, 0, 0, 0, 0, 0, 1)
    with pytest.raises(DamagedEntryError):
        decode_entry(payload, TOPICS, 1)
    with pytest.raises(DamagedEntryError):
        last_sequences(payload)


def side(extra: bytes) -> bytes:
    """A side record with this where its topic and headers should be."""
    return ENTRY.pack(ENTRY_MARK, 1, 0, 0) + RECORD.pack(SIDE, 0, 0, len(extra), 0, 0, 0) + extra


@pytest.mark.parametrize("extra", [b"", b"{", b"[]", b'["t"]', b'["t",[],1]', b'["t",[["h"]]]', b'["t",[["h","zz"]]]'])
def test_a_side_record_without_topic_and_headers_is_damage(extra: bytes) -> None:
    """Its JSON must hold both, and headers are hex."""
    with pytest.raises(DamagedEntryError):
        decode_entry(side(extra), TOPICS, 1)


@pytest.mark.parametrize(
    "extra",
    [
        b"5",
        b"null",
        b'["t",null]',
        b'["t",[1]]',
        b'["t",[["h",5]]]',
        b"[5,[]]",
        b'["t",[[5,"00"]]]',
        b'["t",[["h",null]]]',
        b'{"t":1,"":2}',
        b'["t",""]',
        b'["t",["h "]]',
        b'["\xff",[]]',
    ],
)
def test_a_side_record_of_another_shape_is_damage(extra: bytes) -> None:
    """Valid JSON that is something else is damage too."""
    with pytest.raises(DamagedEntryError):
        decode_entry(side(extra), TOPICS, 1)


@pytest.mark.parametrize("length", [4, ENTRY.size - 1])
def test_an_entry_that_is_no_more_than_its_mark_is_damage(length: int) -> None:
    """All who look inside say the same of it."""
    payload = ENTRY_MARK.ljust(length, b"\0")
    for look in (last_sequences, entry_head):
        with pytest.raises(DamagedEntryError):
            look(payload)


def test_numbers_go_on_from_those_given() -> None:
    """Each kind counts for itself, and only the kinds that are there."""
    sequences = cast("dict[Kind, int]", {"proxy_log": 9, "analytics": 0, "budget": 2**62})
    encode_events([event("proxy_log"), event("proxy_log"), event("budget")], sequences, 0, 0)
    assert sequences == {"proxy_log": 11, "analytics": 0, "budget": 2**62 + 1}


def test_the_value_is_the_event_that_any_reader_decodes() -> None:
    """Real events, through the schema book: the number given is in the bytes."""
    payload = encode_events(exchange(), cast("dict[Kind, int]", dict.fromkeys(KINDS, 41)), 0, 0)
    for kind, record in zip(KINDS, decode_entry(payload, TOPICS, 1), strict=True):
        assert record.value is not None
        found, fields = BOOK.decode(record.value)
        assert (found, fields["sequence"], fields["event_id"]) == (kind, 42, record.event_id.decode())
        assert record.event_id.endswith(SUFFIXES[kind].encode())


@pytest.mark.parametrize(
    "fields",
    [{"occurred_at": 2**63}, {"exchange_id": "x" * 254}, {"exchange_id": "\ud800"}, {"traceparent": "\udfff"}],
    ids=["time", "id", "id_text", "traceparent_text"],
)
def test_what_does_not_fit_is_an_error_and_not_another_record(fields: dict[str, Any]) -> None:
    """Fields out of their range raise what the appender knows how to answer."""
    with pytest.raises((struct.error, ValueError)):
        encode_events([event(**fields)], no_sequences(), 0, 0)


@pytest.mark.parametrize(("first", "at_ms"), [(2**32, 0), (-1, 0), (0, 2**63)])
def test_a_record_number_that_no_offset_can_hold_is_an_error(first: int, at_ms: int) -> None:
    """An offset has 32 bits for it."""
    with pytest.raises(struct.error):
        encode_events([event()], no_sequences(), first, at_ms)
    with pytest.raises(struct.error):
        encode_record(Record("t", b"k", None), first, at_ms)
    with pytest.raises(struct.error):
        encode_events([event()] * 65_536, no_sequences(), 0, 0)


def test_topics_of_another_namespace_are_read_as_the_writer_named_them() -> None:
    """The names come from the segment's own header, not from today's settings."""
    payload = encode_events([event("budget")], no_sequences(), 0, 0)
    (found,) = decode_entry(payload, event_topics(Topics("acme")), 1)
    assert found.topic == "acme.budget.v1"
