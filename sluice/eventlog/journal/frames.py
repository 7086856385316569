"""Frames, of which every journal file consists: ``[u32 length][u32 crc32c][payload]``, little-endian.

The checksum starts from a seed that is the segment's own, made from its random id. So neither a block of another file
nor bytes that a client sent in a body can pass for a frame, and a reader that hit damage may look for the next one.
"""

from __future__ import annotations

import struct

from google_crc32c import extend

FRAME = struct.Struct("<II")
FRAME_BYTES = FRAME.size
MAX_PAYLOAD_BYTES = 32 << 20
"""More is no length but damage; one exchange has three events of at most 1 MiB."""
MARK_BYTES = 4
ENTRY_MARK = b"\xe5JE1"
SCHEMA_MARK = b"\xe5JS1"
SEAL_MARK = b"\xe5JZ1"
"""The first bytes of a payload say what it is; 0xE5 is no byte of ASCII and begins no Avro frame."""
MAX_CANDIDATES = 1_000
"""How many places that look like a frame are checked after damage: bodies may be full of look-alikes."""


def seed_of(segment_id: bytes) -> int:
    """Where checksums start in the segment with this id."""
    return int(extend(0, segment_id))


def checksum(seed: int, payload: bytes) -> int:
    """CRC-32C of a payload in a segment with this seed."""
    return int(extend(seed, payload))


def frame(seed: int, payload: bytes) -> bytes:
    """The payload, framed."""
    return FRAME.pack(len(payload), extend(seed, payload)) + payload


def payload_at(data: bytes, at: int, seed: int) -> bytes | None:
    """The payload of the frame at ``at``; ``None`` where there is no whole and sound one."""
    if at + FRAME_BYTES > len(data):
        return None
    length, crc = FRAME.unpack_from(data, at)
    start = at + FRAME_BYTES
    if not MARK_BYTES <= length <= MAX_PAYLOAD_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if extend(seed, payload) == crc else None


def find_frame(data: bytes, at: int, seed: int) -> int | None:
    """Where the next sound frame begins, searched from ``at`` by the mark of an entry; ``None`` where none is found."""
    for _ in range(MAX_CANDIDATES):
        mark = data.find(ENTRY_MARK, at + FRAME_BYTES)
        if mark < 0:
            return None
        at = mark - FRAME_BYTES
        if payload_at(data, at, seed) is not None:
            return at
        at += 1
    return None
