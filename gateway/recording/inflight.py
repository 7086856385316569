"""The in-flight file: what is known of every exchange whose upstream call has begun, kept through kill -9.

A memory-mapped file of fixed slots. A slot is filled just before the vendor is called and cleared when the exchange's
events are in the journal; what the page cache holds survives the process, so whoever next opens the directory sees
exactly the exchanges that were cut. Filling costs about a microsecond.
"""

from __future__ import annotations

import mmap
import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sluice.redaction import cut_text

FILE_NAME = "inflight"
_MAGIC = b"SLIF0001"
_HEADER_BYTES = 64
_SLOT_BYTES = 512
_TEXT_BYTES = 412

# state, exchange id, occurred_at, app, user, llm, stream, reserved nanos, segment, segment bytes, body bytes
_FIXED = struct.Struct("<B16sqqqqBqqqq")
_PROGRESS = struct.Struct("<qq")
_TEXT = struct.Struct("<H")
_PROGRESS_AT = _FIXED.size
_TEXT_AT = _PROGRESS_AT + _PROGRESS.size
_FREE, _OPEN = 0, 1
_SEPARATOR = "\x1f"
_SHARES = (63, 16, 96, 128, 40, 64)
"""Bytes of each text where not all of them fit: with five separators as many as there are."""


class InFlight(msgspec.Struct, frozen=True):
    """One slot, as filled; ``0`` stands for an absent id."""

    exchange_id: str
    occurred_at: int
    app_id: int
    user_id: int
    llm_id: int
    is_stream: bool
    reserved_nanos: int
    segment: int
    segment_bytes: int
    """The journal's length when the slot was filled: only what lies behind it can hold the exchange's events."""
    request_bytes: int
    llm_slug: str
    vendor: str
    model: str
    request_id: str
    price_id: str
    method_path: str
    response_bytes: int = 0
    sse_frames: int = 0


class InFlightFile:
    """The slots of one worker. Not thread-safe; one writer."""

    def __init__(self, path: Path, slots: int) -> None:
        size = _HEADER_BYTES + slots * _SLOT_BYTES
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = max(size, os.fstat(self._descriptor).st_size // _SLOT_BYTES * _SLOT_BYTES + _HEADER_BYTES)
        os.ftruncate(self._descriptor, size)
        self._map = mmap.mmap(self._descriptor, size)
        self._map[: len(_MAGIC)] = _MAGIC
        self._slots = (size - _HEADER_BYTES) // _SLOT_BYTES
        self._free = [slot for slot in range(self._slots - 1, -1, -1) if self._state(slot) == _FREE]

    def _at(self, slot: int) -> int:
        return _HEADER_BYTES + slot * _SLOT_BYTES

    def _state(self, slot: int) -> int:
        return self._map[self._at(slot)]

    def fill(self, exchange: InFlight) -> int:
        """Take a free slot; -1 where none is left. The state byte goes last, so a half-filled slot stays free."""
        if not self._free:
            return -1
        slot = self._free[-1]  # taken when it is filled: what cannot be packed costs none
        at = self._at(slot)
        texts = (exchange.llm_slug, exchange.vendor, exchange.model, exchange.request_id, exchange.price_id,
                 exchange.method_path)  # fmt: skip
        raw = _SEPARATOR.join(texts).encode("utf-8", "replace")
        if len(raw) > _TEXT_BYTES or raw.count(b"\x1f") != len(texts) - 1:
            raw = _bounded(texts)
        _FIXED.pack_into(
            self._map, at, _FREE, bytes.fromhex(exchange.exchange_id.replace("-", "")), exchange.occurred_at,
            exchange.app_id, exchange.user_id, exchange.llm_id, exchange.is_stream, exchange.reserved_nanos,
            exchange.segment, exchange.segment_bytes, exchange.request_bytes,
        )  # fmt: skip
        _PROGRESS.pack_into(self._map, at + _PROGRESS_AT, 0, 0)
        _TEXT.pack_into(self._map, at + _TEXT_AT, len(raw))
        start = at + _TEXT_AT + _TEXT.size
        self._map[start : start + len(raw)] = raw
        self._map[at] = _OPEN
        return self._free.pop()

    def progress(self, slot: int, response_bytes: int, sse_frames: int) -> None:
        """What has passed so far."""
        _PROGRESS.pack_into(self._map, self._at(slot) + _PROGRESS_AT, response_bytes, sse_frames)

    def clear(self, slot: int) -> None:
        """The exchange's events are in the journal."""
        self._map[self._at(slot)] = _FREE
        self._free.append(slot)

    def open_slots(self) -> Iterator[tuple[int, InFlight]]:
        """Every exchange that was begun and not cleared; what does not parse is cleared, it was never filled whole."""
        for slot in range(self._slots):
            if self._state(slot) != _OPEN:
                continue
            try:
                yield slot, self.read(slot)
            except (ValueError, struct.error):
                self.clear(slot)

    def read(self, slot: int) -> InFlight:
        """What is kept of an open slot's exchange; raises ValueError where that does not parse."""
        at = self._at(slot)
        (_, raw_id, occurred_at, app, user, llm, stream, reserved, segment, length, body) = _FIXED.unpack_from(
            self._map, at
        )
        response_bytes, sse_frames = _PROGRESS.unpack_from(self._map, at + _PROGRESS_AT)
        (size,) = _TEXT.unpack_from(self._map, at + _TEXT_AT)
        start = at + _TEXT_AT + _TEXT.size
        text = self._map[start : start + min(size, _TEXT_BYTES)].decode("utf-8", "replace")
        slug, vendor, model, request_id, price_id, method_path = (*text.split(_SEPARATOR), "", "", "", "", "", "")[:6]
        return InFlight(
            str(uuid.UUID(bytes=raw_id)), occurred_at, app, user, llm, bool(stream), reserved, segment, length, body,
            slug, vendor, model, request_id, price_id, method_path, response_bytes, sse_frames,
        )  # fmt: skip

    def close(self) -> None:
        """Unmap; what is open stays open in the file."""
        self._map.close()
        os.close(self._descriptor)


def _bounded(texts: tuple[str, ...]) -> bytes:
    """Each text within its share and without the separator: a client names models, and may neither push out nor forge
    what stands behind them."""
    parts = []
    for text, share in zip(texts, _SHARES, strict=True):
        parts.append(cut_text(text.replace(_SEPARATOR, "?").encode("utf-8", "replace"), share)[0])
    return _SEPARATOR.encode().join(parts)
