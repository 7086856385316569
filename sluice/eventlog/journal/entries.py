"""Entries: what one append puts into a segment, all records of an exchange in one frame.

    entry    mark (4) | records u16 | number of the first u32 | appended at, milliseconds i64 | records
    record   topic u8 | id u8 | key u32 | extra u32 | value u32 | occurred at, micros i64 | sequence i64 | the bytes

``topic`` is an index into the header's event topics; the key of an event is the head of its id and not written again,
its ``extra`` is the ``traceparent`` of its exchange. A side record has topic 255: its topic and its headers are in
``extra``. The bytes are id (events) or extra and key (side records), then extra (events), then the value; a value
length of 2^32-1 stands for ``None``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
import orjson

from schemas.codec import FRAMES, HEADER_BYTES, EncodedEvent
from schemas.encoder import LONGS, known_long
from schemas.events import KINDS, SUFFIXES, Kind
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.frames import ENTRY_MARK, MARK_BYTES

ENTRY = struct.Struct(f"<{MARK_BYTES}sHIq")
RECORD = struct.Struct("<BBIIIqq")
_pack_record = RECORD.pack
SEGMENT_SHIFT = 32
TRACEPARENT = "traceparent"
_SIDE = 255
_NONE = 0xFFFFFFFF
_WRITTEN_AS: dict[Kind, tuple[int, bytes, bytes]] = {
    kind: (KINDS.index(kind), SUFFIXES[kind].encode(), FRAMES[kind]) for kind in KINDS
}
"""The topic's index, what stands behind the key in an event's id, and its value's frame."""
(_SUFFIX_BYTES,) = {len(suffix) for suffix in SUFFIXES.values()}
_SIDE_EXTRA = msgspec.json.Decoder(tuple[str, tuple[tuple[str, str], ...]])
"""Topic and headers of a side record: anything else is a ValueError."""


class DamagedEntryError(Exception):
    """A payload whose checksum holds and whose inside does not: written by something else."""


class WrittenRecord(msgspec.Struct, frozen=True):
    """A record as it lies in the journal."""

    offset: int
    topic: str
    key: bytes | None
    value: bytes | None
    event_id: bytes
    """``ce_id``; empty on side records."""
    occurred_at: int
    """Microseconds since the epoch; 0 on side records."""
    headers: tuple[tuple[str, bytes], ...]
    """As published; of an event its ``traceparent`` where it has one."""
    appended_at_ms: int


class Copy(msgspec.Struct):
    """Entries of one segment as a reader will read them, kept while they are encoded: to read them costs twice that."""

    topics: Sequence[str]
    segment_number: int
    records: list[WrittenRecord]


def encode_events(
    events: Sequence[EncodedEvent],
    sequences: dict[Kind, int],
    first_record: int,
    appended_at_ms: int,
    copy: Copy | None = None,
) -> bytes:
    """An entry of one exchange's events. Gives each its sequence number, in ``sequences``.

    Values are as ``frame_event`` makes them, but joined with all the rest, or once where a copy has them too.
    """
    parts = [ENTRY.pack(ENTRY_MARK, len(events), first_record, appended_at_ms)]
    place = 0 if copy is None else (copy.segment_number << SEGMENT_SHIFT) + first_record
    exchange_id: str | None = None
    key = b""
    id_bytes, id_length, head_bytes = 0, b"", 0
    traceparent, extra = "", b""
    headers: tuple[tuple[str, bytes], ...] = ()
    encoded, number = 0, b""
    for event in events:
        kind, at, tail = event.kind, event.occurred_at, event.tail
        index, suffix, frame = _WRITTEN_AS[kind]
        if event.exchange_id is not exchange_id:  # once for all three
            exchange_id = event.exchange_id
            key = exchange_id.encode()
            id_bytes = len(key) + _SUFFIX_BYTES
            id_length = known_long(id_bytes) or LONGS[id_bytes]
            head_bytes = HEADER_BYTES + len(id_length) + id_bytes
        if event.traceparent is not traceparent:
            traceparent = event.traceparent
            extra = traceparent.encode()
            headers = ((TRACEPARENT, extra),) if extra else ()
        event_id = key + suffix
        sequence = sequences[kind] = sequences[kind] + 1
        if sequence != encoded:  # often all three have the same
            encoded, number = sequence, known_long(sequence) or LONGS[sequence]
        if copy is None:
            size = head_bytes + len(number) + len(tail)
            parts += (
                _pack_record(index, id_bytes, len(key), len(extra), size, at, sequence), event_id, extra,
                frame, id_length, event_id, number, tail,
            )  # fmt: skip
        else:
            value = b"".join((frame, id_length, event_id, number, tail))
            size, topic = len(value), copy.topics[index]
            parts += (_pack_record(index, id_bytes, len(key), len(extra), size, at, sequence), event_id, extra, value)
            copy.records.append(WrittenRecord(place, topic, key, value, event_id, at, headers, appended_at_ms))
            place += 1
    return b"".join(parts)


def encode_record(record: Record, first_record: int, appended_at_ms: int, copy: Copy | None = None) -> bytes:
    """An entry of one side record."""
    headers = [[name, value.hex()] for name, value in record.headers]
    extra = orjson.dumps([record.topic, headers])
    key, value = record.key, record.value
    head = RECORD.pack(_SIDE, 0, len(key), len(extra), _NONE if value is None else len(value), 0, 0)
    payload = b"".join((ENTRY.pack(ENTRY_MARK, 1, first_record, appended_at_ms), head, extra, key, value or b""))
    if copy is not None:
        copy.records += decode_entry(payload, copy.topics, copy.segment_number)
    return payload


def entry_head(payload: bytes) -> tuple[int, int, int]:
    """Number of the first record, how many there are, and when they were appended (milliseconds); raises
    DamagedEntryError."""
    try:
        _, count, first_record, appended_at_ms = ENTRY.unpack_from(payload)
    except struct.error as error:
        raise DamagedEntryError(str(error)) from error
    return first_record, count, appended_at_ms


def decode_entry(payload: bytes, topics: Sequence[str], segment_number: int) -> list[WrittenRecord]:
    """The records of an entry; raises DamagedEntryError."""
    try:
        return _decode(payload, topics, segment_number << SEGMENT_SHIFT)
    except (struct.error, IndexError, ValueError) as error:
        raise DamagedEntryError(str(error)) from error


def _decode(payload: bytes, topics: Sequence[str], base: int) -> list[WrittenRecord]:
    _, count, first, appended_at_ms = ENTRY.unpack_from(payload)
    records: list[WrittenRecord] = []
    at = ENTRY.size
    for offset in range(base + first, base + first + count):
        index, id_bytes, key_bytes, extra_bytes, value_bytes, occurred_at, _ = RECORD.unpack_from(payload, at)
        at += RECORD.size
        if index == _SIDE:
            record, at = _side_record(payload, at, (key_bytes, extra_bytes, value_bytes), offset, appended_at_ms)
            records.append(record)
            continue
        extra_at = at + id_bytes
        event_id = payload[at:extra_at]
        value_at = extra_at + extra_bytes
        headers = ((TRACEPARENT, payload[extra_at:value_at]),) if extra_bytes else ()
        at = value_at + value_bytes
        value = payload[value_at:at]
        key = event_id[:key_bytes]
        records.append(WrittenRecord(offset, topics[index], key, value, event_id, occurred_at, headers, appended_at_ms))
    if at != len(payload):
        message = f"an entry of {len(payload)} bytes whose records end at {at}"
        raise ValueError(message)
    return records


def _side_record(
    payload: bytes, at: int, lengths: tuple[int, int, int], offset: int, appended_at_ms: int
) -> tuple[WrittenRecord, int]:
    key_bytes, extra_bytes, value_bytes = lengths
    topic, headers = _SIDE_EXTRA.decode(payload[at : at + extra_bytes])
    at += extra_bytes
    key = payload[at : at + key_bytes]
    at += key_bytes
    value = None if value_bytes == _NONE else payload[at : at + value_bytes]
    own = tuple((name, bytes.fromhex(raw)) for name, raw in headers)
    end = at if value is None else at + value_bytes
    return WrittenRecord(offset, topic, key, value, b"", 0, own, appended_at_ms), end


def last_sequences(payload: bytes) -> dict[Kind, int]:
    """The sequence numbers that an entry gave; raises DamagedEntryError."""
    given: dict[Kind, int] = {}
    at = ENTRY.size
    try:
        for _ in range(ENTRY.unpack_from(payload)[1]):
            index, id_bytes, key_bytes, extra_bytes, value_bytes, _, sequence = RECORD.unpack_from(payload, at)
            at += RECORD.size + id_bytes + extra_bytes + (key_bytes if index == _SIDE else 0)
            at += 0 if value_bytes == _NONE else value_bytes
            if index != _SIDE:
                given[KINDS[index]] = sequence
    except (struct.error, IndexError) as error:
        raise DamagedEntryError(str(error)) from error
    return given
