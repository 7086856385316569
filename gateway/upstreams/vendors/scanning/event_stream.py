"""Binary event streams (``application/vnd.amazon.eventstream``), read beside the bytes.

A message is: its length, the length of its headers, a CRC-32 of both (4 bytes each), headers, payload, a CRC-32 of all
before it. One whose checksum is wrong is passed on and not believed; where the lengths themselves are broken nobody
knows where the next message begins, and all that follows is passed on unread.
"""

from __future__ import annotations

import re
import struct
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_CRC_BYTES = 4
_MIN_BYTES = _PRELUDE.size + _CRC_BYTES
_STRING_TYPE = 7
_MAX_USUAL_BYTES = 512
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the value, by a header's type; 6 and 7 bring their own length."""


class EventMessage(NamedTuple):
    """One message of an event stream."""

    headers: Mapping[str, str]
    """Those that are text: ``:event-type``, ``:message-type``, ``:exception-type``, ``:content-type``."""
    payload: bytes


class EventStreamScanner(FrameScanner):
    """Scans binary messages; a dialect says what they mean. A message that is not whole waits."""

    terminal_head: ClassVar[re.Pattern[bytes] | None] = None
    """Found in the headers of a message that is too large and terminal."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self._missing = 0
        """Of the message at the start of ``_rest``, the bytes from there to its end; 0 where no length is read yet."""
        self._is_lost = False

    @abstractmethod
    def inspect(self, message: EventMessage) -> Verdict:
        """Take note of a message; ``pass`` or ``hold``. Called for those that may matter, and for the first ones."""

    @abstractmethod
    def may_matter(self, chunk: bytes) -> bool:
        """As ``SseScanner.may_matter``, of the raw bytes of one message."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        return chunk if self._is_lost else self._cut(chunk)

    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:  # noqa: ARG002 - formats differ
        rest = self._rest
        if not self._missing:
            if self._is_lost or len(rest) - start < _PRELUDE.size:
                return None
            total, headers, crc = _PRELUDE.unpack_from(rest, start)
            is_whole = zlib.crc32(rest[start : start + 8]) == crc
            if not is_whole or total < _MIN_BYTES or headers > total - _MIN_BYTES:
                self._is_lost = True
                self.answer.problem = "broken_frame"
                return None
            self._missing = total
        end = start + self._missing
        if len(rest) < end:
            return None
        self._missing = 0
        return end - _CRC_BYTES, end

    def _judge(self, frame: bytes) -> Verdict:
        self.sse_frames += 1
        body = frame[:-_CRC_BYTES]
        if zlib.crc32(body) != _CRC.unpack_from(frame, len(body))[0]:
            self.answer.problem = "broken_frame"
            return "pass"
        if self.looks_left:
            self.looks_left -= 1
        elif not self.may_matter(frame):
            return "pass"
        message = _message_of(body)
        if message is None:
            self.answer.problem = "broken_frame"
            return "pass"
        return self.inspect(message)

    def _judge_head(self) -> Verdict:
        size = _PRELUDE.unpack_from(self._rest)[1]
        head = self.terminal_head
        return "hold" if head and head.search(self._rest, _PRELUDE.size, _PRELUDE.size + size) else "pass"

    def _let_go(self) -> bytes:
        return self._take(len(self._rest)) if self._is_lost else super()._let_go()

    def _take(self, size: int) -> bytes:
        """Part of a message that is too large: less is missing. Its last bytes are those of one that is held."""
        if self._too_large is not None:
            size = min(len(self._rest), max(self._missing - _CRC_BYTES, 0))
            self._missing -= size
        return super()._take(size)

    def _last(self, rest: bytes) -> Verdict:  # noqa: ARG002 - formats differ
        """A message without its end is none."""
        self.answer.problem = self.answer.problem or "truncated"
        return "pass"


def _message_of(body: bytes) -> EventMessage | None:
    """A message whose checksums are right, without the last; ``None`` where its headers are no headers."""
    end = _PRELUDE.size + _PRELUDE.unpack_from(body)[1]
    block = body[_PRELUDE.size : end]
    try:
        headers = _usual_headers(block) if len(block) <= _MAX_USUAL_BYTES else _headers(block)
    except (IndexError, ValueError, struct.error):
        return None
    return EventMessage(headers, body[end:])


@lru_cache(maxsize=256)
def _usual_headers(block: bytes) -> Mapping[str, str]:
    """The same few blocks come in every stream: they are read once."""
    return MappingProxyType(_headers(block))


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    place = 0
    while place < len(block):
        name_end = place + 1 + block[place]
        name, kind = block[place + 1 : name_end].decode(), block[name_end]
        place = name_end + 1
        size = _FIXED_SIZES.get(kind)
        if size is None:
            if kind not in {6, _STRING_TYPE}:
                message = f"header type {kind}"
                raise ValueError(message)
            size = int.from_bytes(block[place : place + 2], "big")
            place += 2
        value = block[place : place + size]
        if len(value) < size:
            raise IndexError(name)
        if kind == _STRING_TYPE:
            headers[name] = value.decode()
        place += size
    return headers
