"""Confluent's framing of events: ``00``, the schema's id in a registry (4 bytes, big-endian), the Avro body.

The body is the same as behind our own frame (``schemas.codec``), so one becomes the other by its first bytes alone. In
a schema book the 4 bytes stand where otherwise the 8 bytes of a fingerprint do.
"""

from __future__ import annotations

MAGIC = b"\0"
ID_BYTES = 4
HEADER_BYTES = len(MAGIC) + ID_BYTES
MAX_ID = (1 << 31) - 1


def frame_of(schema_id: int) -> bytes:
    """What stands in front of each event with this schema; raises ValueError for what is no id."""
    if not 0 <= schema_id <= MAX_ID:
        message = f"{schema_id} is no schema id: a number from 0 to {MAX_ID} is"
        raise ValueError(message)
    return MAGIC + schema_id.to_bytes(ID_BYTES)


def is_framed(value: bytes | None) -> bool:
    """Whether a value begins with this frame and has something behind it."""
    return value is not None and len(value) > HEADER_BYTES and value[:1] == MAGIC


def schema_key(value: bytes) -> bytes:
    """The id of a framed value, as schema books know it."""
    return value[1:HEADER_BYTES]


def schema_text(schema_id: int, text: bytes) -> bytes:
    """A registry's schema as ``SchemaBook.learn`` takes it: its JSON text behind the frame of its id."""
    return frame_of(schema_id) + text
