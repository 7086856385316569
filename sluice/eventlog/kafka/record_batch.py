"""Kafka's record batch, version 2, made of journal records in one go, as aiokafka's sender takes one.

aiokafka's own builder takes a record at a time, with a list of headers for each. Of the bytes of an event's headers
few are its own: here the others are made once for all events of one topic and second, and the whole is joined once.

    batch    offset i64 | length i32 | epoch i32 | version i8 | crc32c u32 | attributes i16 | last offset i32
             | first and last time i64 | producer i64 | its epoch i16 | sequence i32 | records i32 | records, compressed
    record   length | attributes | time | offset | key | value | number of headers | name and value of each

The numbers in a record are zig-zag integers as Avro has them; -1 is the length of ``None``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice

from aiokafka.codec import zstd_encode

from schemas.cloudevents import EVENT_ID, cloudevent_headers
from schemas.encoder import SMALL_LONGS, encode_bytes, encode_long
from sluice.clock import now_micros
from sluice.eventlog.journal.entries import TRACEPARENT, WrittenRecord
from sluice.eventlog.journal.frames import crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_COUNTS_FROM, _CRC_AT, _CRC_COUNTS_FROM = 12, 17, 21
_VERSION, _ZSTD, _TRANSACTIONAL = 2, 0x04, 0x10
_LEVEL = 1
"""Of zstd: a fifth to a third cheaper than 3, and what it makes of events is as small within some percent."""
_PLAIN = b"\0\0"
"""A record's attributes, and the difference of its time to its batch's."""
_PLACES = tuple(_PLAIN + length for length in SMALL_LONGS)
"""How a record begins behind its length, by its place in the batch."""
_NONE = encode_long(-1)
_SPECIFIED = 5
"""Headers that CloudEvents gives an event; its id is the first."""
_ID_NAME = encode_bytes(EVENT_ID.encode())
_NO_TRACE = -1
_SECOND = 1_000_000
_DIGITS = tuple(b"%03d" % number for number in range(1000))
"""Half of the microseconds of a time: two look-ups cost a third of a format."""
_MICROS_BYTES = 6

ValueOf = Callable[[str, bytes | None], bytes | None]
"""A topic, and a record's value in the journal: what is published."""


class RecordBatch:
    """Records of one topic; has what aiokafka's accumulator and sender ask of a batch."""

    def __init__(self, pieces: Sequence[bytes], count: int, size: int, *, is_transactional: bool) -> None:
        self._pieces = pieces
        self._count = count
        self._size = size
        self._attributes = _ZSTD | (_TRANSACTIONAL if is_transactional else 0)
        self._producer = (-1, -1, -1)
        self._built: bytes | None = None

    def size(self) -> int:
        """Bytes, before compression."""
        return self._size

    def record_count(self) -> int:
        """How many records it has."""
        return self._count

    def closed(self) -> bool:
        """Nothing more goes in."""
        return True

    def close(self) -> None:
        """It never was open."""

    def append(self, **_: object) -> object:
        """``None``, which refuses: aiokafka asks where somebody sends single records into the same partition."""
        return None

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """aiokafka tells it before the batch is sent for the first time."""
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        """aiokafka asks each time that the batch is sent: it is the same bytes."""
        if self._built is None:
            self._built = self._encoded()
            self._pieces = ()
        return self._built

    def _encoded(self) -> bytes:
        records: bytes = zstd_encode(b"".join(self._pieces), _LEVEL)
        length, at_ms = HEADER.size - _LENGTH_COUNTS_FROM + len(records), now_micros() // 1000
        head = HEADER.pack(
            0, length, -1, _VERSION, 0, self._attributes, self._count - 1, at_ms, at_ms, *self._producer, self._count
        )
        checked = head[_CRC_COUNTS_FROM:]
        crc = crc32c(records, crc32c(checked)).to_bytes(_CRC_COUNTS_FROM - _CRC_AT)
        return b"".join((head[:_CRC_AT], crc, checked, records))


def fill_batch(
    records: Sequence[WrittenRecord],
    start: int,
    max_bytes: int,
    source: str,
    *,
    value_of: ValueOf | None = None,
    is_transactional: bool = False,
) -> tuple[RecordBatch, int]:
    """A batch of the records from ``start`` on, all of one topic, as many as ``max_bytes`` and ``_PLACES`` take and one
    at least, and the place behind them. ``source`` is the gateway whose events they are.

    In one loop, without a call for each event, and with what follows from an event's second and from the lengths of
    its key, its id and its trace made anew only where one of these is another than in the event before.
    """
    pieces: list[bytes] = []
    size, count, second, fixed = HEADER.size, 0, 0, 0
    key_bytes = id_bytes = trace_bytes = _NO_TRACE
    key_length = before_id = before = behind = b""
    topic, lengths, small, digits = records[start].topic, SMALL_LONGS, len(SMALL_LONGS), _DIGITS
    for record in islice(records, start, start + len(_PLACES)):
        key, value = record.key, record.value
        event_id, own = record.event_id, record.headers  # of an event, its trace or nothing
        if value_of is not None:
            value = value_of(topic, value)
        place = _PLACES[count]
        is_as_usual = not own or (len(own) == 1 and own[0][0] == TRACEPARENT)
        if event_id and key is not None and value is not None and is_as_usual:
            micros, traced = record.occurred_at - second, len(own[0][1]) if own else _NO_TRACE
            if not 0 <= micros < _SECOND or len(event_id) != id_bytes or len(key) != key_bytes or traced != trace_bytes:
                micros = record.occurred_at % _SECOND
                second = record.occurred_at - micros
                key_bytes, id_bytes, trace_bytes = len(key), len(event_id), traced
                before_id, before, behind = _fixed_headers(topic, source, second, id_bytes, trace_bytes)
                key_length = encode_long(key_bytes)
                fixed = len(key_length) + key_bytes + len(before_id) + id_bytes + len(before) + len(behind)
                fixed += _MICROS_BYTES + max(trace_bytes, 0)
            value_bytes = len(value)
            value_length = lengths[value_bytes] if value_bytes < small else encode_long(value_bytes)
            length = fixed + len(place) + len(value_length) + value_bytes
            frame = lengths[length] if length < small else encode_long(length)
            encoded: tuple[bytes, ...] = (
                frame, place, key_length, key, value_length, value, before_id, event_id,
                before, digits[micros // 1000], digits[micros % 1000], behind, own[0][1] if own else b"",
            )  # fmt: skip
        else:
            plain = _plainly(place, record, value, source)
            length = len(plain)
            frame = encode_long(length)
            encoded = (frame, plain)
        size_with = size + len(frame) + length
        if size_with > max_bytes and count:
            break
        pieces += encoded
        size = size_with
        count += 1
    return RecordBatch(pieces, count, size, is_transactional=is_transactional), start + count


def _plainly(place: bytes, record: WrittenRecord, value: bytes | None, source: str) -> bytes:
    """Any record, behind its length: side records, and events that lack a key or a value or have other headers."""
    headers = record.headers
    if record.event_id:
        _, *specified = cloudevent_headers(record.topic, "", source, record.occurred_at)
        headers = ((EVENT_ID, record.event_id), *specified, *headers)
    return b"".join((place, _nullable(record.key), _nullable(value), encode_long(len(headers)), *map(_header, headers)))


def _nullable(raw: bytes | None) -> bytes:
    return _NONE if raw is None else encode_bytes(raw)


def _header(header: tuple[str, bytes]) -> bytes:
    name, value = header
    return encode_bytes(name.encode()) + encode_bytes(value)


@lru_cache(maxsize=1024)
def _fixed_headers(topic: str, source: str, second: int, id_bytes: int, trace_bytes: int) -> tuple[bytes, bytes, bytes]:
    """What the headers of all events of one second, given in microseconds, have in front of their ids, between those
    and their microseconds, and behind these, up to the trace where there is one."""
    _, kind, origin, (name, moment), version = cloudevent_headers(topic, "", source, second)
    is_traced = trace_bytes != _NO_TRACE
    before_id = encode_long(_SPECIFIED + is_traced) + _ID_NAME + encode_long(id_bytes)
    time = encode_bytes(name.encode()) + encode_long(len(moment)) + moment.removesuffix(b"000000Z")
    trace = encode_bytes(TRACEPARENT.encode()) + encode_long(trace_bytes) if is_traced else b""
    return before_id, _header(kind) + _header(origin) + time, b"Z" + _header(version) + trace
