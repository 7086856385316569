"""What a client got of a stream, kept for those who are told of it when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.asgi import Message, Write


class StreamCopy:
    """The first ``max_bytes`` of what went out, in the pieces in which it went."""

    __slots__ = ("_is_broken", "_is_full", "_left", "_parts", "has_begun", "is_cut", "size")

    def __init__(self, max_bytes: int) -> None:
        self._parts: list[bytes] = []
        self._left = max_bytes
        self._is_full = self._is_broken = False
        self.size = 0
        """Bytes kept."""
        self.has_begun = False
        """Whether the stream's head was sent."""
        self.is_cut = True
        """Whether something is missing: until ``end`` says otherwise."""

    def keep(self, piece: bytes) -> None:
        """Keep a piece that went out, as far as there is room."""
        size = min(len(piece), self._left)
        if size:
            self._parts.append(piece[:size])
            self._left -= size
            self.size += size
        self._is_full = self._is_full or size < len(piece)

    def beside(self, write: Write) -> Write:
        """A writer that keeps what it writes."""

        def keep_and_write(piece: bytes, chunk: bytes = b"") -> bool:
            self.keep(piece)
            return write(piece, chunk)

        return keep_and_write

    def break_off(self) -> None:
        """The stream ends before its end, whatever is still sent to say so."""
        self._is_broken = True

    def end(self, messages: Sequence[Message]) -> None:
        """The messages that end the stream were sent: nothing is missing but what there was no room for."""
        for message in messages:
            self.keep(message.get("body", b""))
        self.is_cut = self._is_full or self._is_broken

    def take(self) -> bytes:
        """All of it, once."""
        body = b"".join(self._parts)
        self._parts.clear()
        return body
