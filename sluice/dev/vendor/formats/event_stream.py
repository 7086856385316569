"""Binary event streams (``application/vnd.amazon.eventstream``), written: lengths, checksums, headers, payload."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import orjson

_STRING = 7
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: its length and that of its headers, their CRC-32, headers, payload, a CRC-32 of all."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, payload: object) -> bytes:
    """An event of this type, its payload as JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, orjson.dumps(payload))


def exception(kind: str, text: str) -> bytes:
    """An exception, behind which nothing comes."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, orjson.dumps({"message": text}))


def with_wrong_checksum(kind: str, payload: object) -> bytes:
    """An event whose last byte is another; its end is found all the same."""
    made = event(kind, payload)
    return made[:-1] + bytes([made[-1] ^ 0xFF])


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", _STRING, len(text)) + text
