"""Frames, of which every journal file consists: ``[u32 length][u32 crc32c][payload]``, little-endian.

The checksum starts from a seed that is the segment's own, made from its random id. So neither a block of another file
nor bytes that a client sent in a body can pass for a frame, and a reader that hit damage may look for the next one.
The length is in where it starts too: else zeros behind zeros would be a frame of any length.
"""

from __future__ import annotations

import re
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
MAX_CHECKED_BYTES = 1 << 30
"""How much is checksummed in one search after damage (0.3 s), for a client may send bodies full of frames with long
lengths. A mark without a possible length costs nothing, so a body full of marks hides no entry behind it."""
_POSSIBLE_MARK = re.compile(rb"\xe5JE1(?<=[\0-\x02][\0-\xff]{4}\xe5JE1)")
"""An entry's mark behind a length whose highest byte is none above that of ``MAX_PAYLOAD_BYTES``."""


def crc32c(raw: bytes, before: int = 0) -> int:
    """CRC-32C, Castagnoli's, behind bytes that have ``before``: Kafka's batches have it too."""
    return int(extend(before, raw))


def seed_of(segment_id: bytes) -> int:
    """Where checksums start in the segment with this id."""
    return crc32c(segment_id)


def checksum(seed: int, payload: bytes) -> int:
    """CRC-32C of a payload, and of its length, in a segment with this seed."""
    return int(extend(seed ^ len(payload), payload))


def frame(seed: int, payload: bytes) -> bytes:
    """The payload, framed; ValueError where no reader would take it."""
    return frame_head(seed, payload) + payload


def frame_head(seed: int, payload: bytes) -> bytes:
    """What stands in front of the payload; raises as ``frame``."""
    size = len(payload)
    if size > MAX_PAYLOAD_BYTES:
        message = f"{size} bytes; no reader would take more than {MAX_PAYLOAD_BYTES} for a record"
        raise ValueError(message)
    return FRAME.pack(size, extend(seed ^ size, payload))


def payload_at(data: bytes, at: int, seed: int) -> bytes | None:
    """The payload of the frame at ``at``; ``None`` where there is no whole and sound one."""
    if at + FRAME_BYTES > len(data):
        return None
    length, crc = FRAME.unpack_from(data, at)
    start = at + FRAME_BYTES
    if not MARK_BYTES <= length <= MAX_PAYLOAD_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if extend(seed ^ length, payload) == crc else None


def find_frame(data: bytes, at: int, seed: int) -> int | None:
    """Where the next sound frame begins, searched from ``at`` by the mark of an entry; ``None`` where none is found.

    Where look-alikes use up the search, it goes to the end that the damaged frame at ``at`` names for itself.
    """
    start, unchecked = at, MAX_CHECKED_BYTES
    for mark in _POSSIBLE_MARK.finditer(data, at + FRAME_BYTES):
        at = mark.start() - FRAME_BYTES
        length = _length_at(data, at)
        unchecked -= length
        if unchecked < 0:
            behind = start + FRAME_BYTES + _length_at(data, start)
            return behind if payload_at(data, behind, seed) is not None else None
        if length and payload_at(data, at, seed) is not None:
            return at
    return None


def _length_at(data: bytes, at: int) -> int:
    """The length that the frame at ``at`` says; 0 where that is none, or more than there is."""
    length: int = FRAME.unpack_from(data, at)[0]
    return length if MARK_BYTES <= length <= min(MAX_PAYLOAD_BYTES, len(data) - at - FRAME_BYTES) else 0
