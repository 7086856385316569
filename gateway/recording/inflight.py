"""The in-flight file: what is known of every exchange whose upstream call has begun, kept through kill -9.

A memory-mapped file of fixed slots. A slot is filled just before the vendor is called and cleared when the exchange's
events are in the journal; what the page cache holds survives the process, so whoever next opens the directory sees
exactly the exchanges that were cut. Filling costs about a microsecond.

A slot also says what is held for its exchange in which rows of budgets and, from just before its events are written,
what it is worth: so that recovery charges what the record says, where there is one.
"""

from __future__ import annotations

import mmap
import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.access.settlement import Worth
from sluice.redaction import cut_text

FILE_NAME = "inflight"
_MAGIC = b"SLIF0002"
_HEADER_BYTES = 64
_SLOT_BYTES = 640
_TEXT_BYTES = 502

# state, exchange id, occurred_at, app, user, llm, stream, reserved nanos, segment, segment bytes, body bytes,
# rows of budgets, reset days of app and LLM
_FIXED = struct.Struct("<B16sqqqqBqqqqiiiBB")
_PROGRESS = struct.Struct("=qq")  # as this machine writes them: see ``progress_of``
_WORTH = struct.Struct("<qqq")
_TEXT = struct.Struct("<H")
_SLOT = struct.Struct(f"{_FIXED.format}{_PROGRESS.format[1:]}{_WORTH.size}xH{_TEXT_BYTES}s")
"""A whole slot: an exchange of which nothing has passed yet, and that has no worth."""
_PROGRESS_AT = _FIXED.size
_WORTH_AT = _PROGRESS_AT + _PROGRESS.size
_TEXT_AT = _WORTH_AT + _WORTH.size
_FREE, _OPEN, _PRICED = 0, 1, 2
_NO_ROW = -1
_MAX_ROWS = 3
_SEPARATOR = "\x1f"
_SEPARATORS = 6
_SHARES = (63, 16, 96, 128, 40, 113, 40)
"""Bytes of each text where not all of them fit: with six separators as many as there are."""


class Numbers(Protocol):
    """Takes a number at each of its places."""

    def __setitem__(self, place: int, number: int, /) -> None:
        """Write it there."""
        ...


Progress = tuple[Numbers, int]
"""Where is written how many bytes of a stream have passed; its SSE frames go to the next place. No call for each piece:
that would cost more than both numbers."""


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
    rows: tuple[int, ...] = ()
    """Of the shared table: budgets in each of which ``reserved_nanos`` are held."""
    app_reset_day: int = 1
    llm_reset_day: int = 1
    time_zone: str = "UTC"
    worth: Worth | None = None
    """What the record says it is charged, if there is a record; ``None`` as long as none was tried."""


class InFlightFile:
    """The slots of one worker. Not thread-safe; one writer."""

    def __init__(self, path: Path, slots: int) -> None:
        size = _HEADER_BYTES + slots * _SLOT_BYTES
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = max(size, os.fstat(self._descriptor).st_size // _SLOT_BYTES * _SLOT_BYTES + _HEADER_BYTES)
        os.ftruncate(self._descriptor, size)
        self._map = mmap.mmap(self._descriptor, size)
        if self._map[: len(_MAGIC)] != _MAGIC:  # a new file, or one that is none of ours
            self._map[:size] = bytes(size)
            self._map[: len(_MAGIC)] = _MAGIC
        self._longs = memoryview(self._map).cast("q")
        """The same as numbers of eight bytes: of a slot those of its progress are two."""
        self._slots = (size - _HEADER_BYTES) // _SLOT_BYTES
        self._free = [slot for slot in range(self._slots - 1, -1, -1) if not self._is_open(slot)]

    def _at(self, slot: int) -> int:
        return _HEADER_BYTES + slot * _SLOT_BYTES

    def _is_open(self, slot: int) -> bool:
        return self._map[self._at(slot)] in {_OPEN, _PRICED}

    def fill(  # noqa: PLR0917 - each is a field of a slot
        self,
        exchange_id: str,
        occurred_at: int,
        app_id: int,
        user_id: int,
        llm_id: int,
        is_stream: bool,
        reserved_nanos: int,
        segment: int,
        segment_bytes: int,
        request_bytes: int,
        llm_slug: str,
        vendor: str,
        model: str,
        request_id: str,
        price_id: str,
        method_path: str,
        rows: tuple[int, ...],
        app_reset_day: int,
        llm_reset_day: int,
        time_zone: str,
    ) -> int:
        """Take a free slot; -1 where none is left. The state byte goes last, so a half-filled slot stays free.

        Its arguments are an ``InFlight``'s fields: one would be made for each exchange, only to be taken apart here.
        """
        if not self._free:
            return -1
        slot = self._free[-1]  # taken when it is filled: what cannot be packed costs none
        at = self._at(slot)
        texts = (llm_slug, vendor, model, request_id, price_id, method_path, time_zone)
        raw = _SEPARATOR.join(texts).encode("utf-8", "replace")
        if len(raw) > _TEXT_BYTES or raw.count(b"\x1f") != _SEPARATORS:
            raw = _bounded(texts)
        first_row, second_row, third_row = _slot_rows(rows) if rows else _NO_ROWS
        _SLOT.pack_into(
            self._map, at, _FREE, bytes.fromhex(exchange_id.replace("-", "")), occurred_at, app_id, user_id, llm_id,
            is_stream, reserved_nanos, segment, segment_bytes, request_bytes, first_row, second_row, third_row,
            app_reset_day, llm_reset_day, 0, 0, len(raw), raw,
        )  # fmt: skip
        self._map[at] = _OPEN
        return self._free.pop()

    def progress(self, slot: int, response_bytes: int, sse_frames: int) -> None:
        """What has passed so far."""
        _PROGRESS.pack_into(self._map, self._at(slot) + _PROGRESS_AT, response_bytes, sse_frames)

    def progress_of(self, slot: int) -> Progress:
        """The same for a slot whose stream has many pieces: where they are written until it is cleared."""
        return self._longs, (self._at(slot) + _PROGRESS_AT) // self._longs.itemsize

    def price(self, slot: int, worth: Worth) -> None:
        """What is about to be recorded; the state byte goes last, so half of it is nothing."""
        at = self._at(slot)
        self._map[at] = _OPEN
        _WORTH.pack_into(self._map, at + _WORTH_AT, *worth)
        self._map[at] = _PRICED

    def clear(self, slot: int) -> None:
        """The exchange's events are in the journal."""
        self._map[self._at(slot)] = _FREE
        self._free.append(slot)

    def open_slots(self) -> Iterator[tuple[int, InFlight]]:
        """Every exchange that was begun and not cleared; what does not parse is cleared, it was never filled whole."""
        for slot in range(self._slots):
            if not self._is_open(slot):
                continue
            try:
                yield slot, self.read(slot)
            except (ValueError, struct.error):
                self.clear(slot)

    def read(self, slot: int) -> InFlight:
        """What is kept of an open slot's exchange; raises ValueError where that does not parse."""
        at = self._at(slot)
        (state, raw_id, occurred_at, app, user, llm, stream, reserved, segment, length, body,
         *rows, app_reset_day, llm_reset_day) = _FIXED.unpack_from(self._map, at)  # fmt: skip
        worth = Worth(*_WORTH.unpack_from(self._map, at + _WORTH_AT)) if state == _PRICED else None
        response_bytes, sse_frames = _PROGRESS.unpack_from(self._map, at + _PROGRESS_AT)
        (size,) = _TEXT.unpack_from(self._map, at + _TEXT_AT)
        start = at + _TEXT_AT + _TEXT.size
        text = self._map[start : start + min(size, _TEXT_BYTES)].decode("utf-8", "replace")
        slug, vendor, model, request_id, price_id, method_path, zone = (*text.split(_SEPARATOR), *[""] * 7)[:7]
        return InFlight(
            str(uuid.UUID(bytes=raw_id)), occurred_at, app, user, llm, bool(stream), reserved, segment, length, body,
            slug, vendor, model, request_id, price_id, method_path, response_bytes, sse_frames,
            tuple(row for row in rows if row != _NO_ROW), app_reset_day, llm_reset_day, zone, worth,
        )  # fmt: skip

    def close(self) -> None:
        """Unmap; what is open stays open in the file."""
        self._longs.release()
        self._map.close()
        os.close(self._descriptor)


_NO_ROWS = (_NO_ROW,) * _MAX_ROWS


def _slot_rows(rows: tuple[int, ...]) -> tuple[int, ...]:
    return (*rows, *_NO_ROWS)[:_MAX_ROWS]


def _bounded(texts: tuple[str, ...]) -> bytes:
    """Each text within its share and without the separator: a client names models, and may neither push out nor forge
    what stands behind them."""
    parts = []
    for text, share in zip(texts, _SHARES, strict=True):
        parts.append(cut_text(text.replace(_SEPARATOR, "?").encode("utf-8", "replace"), share)[0])
    return _SEPARATOR.encode().join(parts)
