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
from schemas.encoder import LONGS, encode_bytes, encode_long
from sluice.clock import now_micros
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.frames import crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_COUNTS_FROM, _CRC_AT, _CRC_COUNTS_FROM = 12, 17, 21
_CRC = struct.Struct(">I")
_VERSION, _ZSTD, _TRANSACTIONAL = 2, 0x04, 0x10
_LEVEL = 1
"""Of zstd: a fifth to a third cheaper than 3, and what it makes of events is as small within some percent."""
_PLAIN = b"\0\0"
"""A record's attributes, and the difference of its time to its batch's."""
_NONE = encode_long(-1)
_SPECIFIED = 5
"""Headers that CloudEvents gives an event; its id is the first."""
_ID_NAME = encode_bytes(EVENT_ID.encode())
_SECOND = 1_000_000
_DIGITS = tuple(b"%03d" % number for number in range(1000))
"""Half of the microseconds of a time: two look-ups cost a third of a format."""

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
        head = bytearray(
            HEADER.pack(
                0, length, -1, _VERSION, 0, self._attributes, self._count - 1, at_ms, at_ms, *self._producer,
                self._count,
            )
        )  # fmt: skip
        _CRC.pack_into(head, _CRC_AT, crc32c(bytes(head[_CRC_COUNTS_FROM:]) + records))
        return bytes(head) + records


def fill_batch(
    records: Sequence[WrittenRecord],
    start: int,
    max_bytes: int,
    source: str,
    *,
    value_of: ValueOf | None = None,
    is_transactional: bool = False,
) -> tuple[RecordBatch, int]:
    """A batch of the records from ``start`` on, all of one topic, as many as ``max_bytes`` take and one at least, and
    the place behind them. ``source`` is the gateway whose events they are. In one loop: no call for each record."""
    pieces: list[bytes] = []
    size, at, longs, join = HEADER.size, start, LONGS, b"".join
    topic, known, before, behind = records[start].topic, -1, b"", b""
    for record in islice(records, start, None):
        key, value, event_id, own = record.key, record.value, record.event_id, record.headers
        if value_of is not None:
            value = value_of(topic, value)
        if event_id:  # CloudEvents' own and the trace, as _headers encodes them
            second, micros = divmod(record.occurred_at, _SECOND)
            if second != known:
                known, (before, behind) = second, _fixed_headers(topic, source, second)
            high, low = _DIGITS[micros // 1000], _DIGITS[micros % 1000]
            count = longs[_SPECIFIED + len(own)]
            headers = join((count, _ID_NAME, longs[len(event_id)], event_id, before, high, low, behind))
            if own:
                headers += join(map(_header, own))
        else:
            headers = _headers(own)
        key_length = _NONE if key is None else longs[len(key)]
        value_length = _NONE if value is None else longs[len(value)]
        head, body = join((_PLAIN, longs[at - start], key_length, key or b"", value_length)), value or b""
        length = len(head) + len(body) + len(headers)
        frame = longs[length]
        if size + len(frame) + length > max_bytes and pieces:
            break
        pieces += (frame, head, body, headers)
        size += len(frame) + length
        at += 1
    return RecordBatch(pieces, at - start, size, is_transactional=is_transactional), at


def _headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    return b"".join((encode_long(len(headers)), *map(_header, headers)))


def _header(header: tuple[str, bytes]) -> bytes:
    name, value = header
    return encode_bytes(name.encode()) + encode_bytes(value)


@lru_cache(maxsize=1024)
def _fixed_headers(topic: str, source: str, second: int) -> tuple[bytes, bytes]:
    """What the headers of all events of one second have between their ids and their microseconds, and behind those."""
    _, kind, origin, (name, moment), version = cloudevent_headers(topic, "", source, second * 1_000_000)
    time = encode_bytes(name.encode()) + encode_long(len(moment)) + moment.removesuffix(b"000000Z")
    return _header(kind) + _header(origin) + time, b"Z" + _header(version)
