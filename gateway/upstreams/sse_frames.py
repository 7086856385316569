"""Where SSE frames end, and a stream's bytes cut into whole ones."""

from __future__ import annotations

import re
from typing import Final

MAX_FRAME_BYTES: Final = 4 << 20
"""Nearly all are below 1 KiB; one that carries images may have megabytes."""
LINE_END: Final = rb"(?:\r\n|\n|\r(?!\n))"  # all three end lines (WHATWG HTML, 9.2.6)
FRAME_END: Final = re.compile(LINE_END + rb"(?:\r\n|\n|\r(?=[^\n]))")
"""A last CR may be half of a CRLF: it ends a frame once it is seen what follows."""
FRAME_END_BYTES: Final = 4


class FrameTooLargeError(Exception):
    """A frame has more bytes than may wait for its end."""


class WholeFrames:
    """Gathers what is not a whole SSE frame yet, up to a bound."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()

    def take(self, data: bytes) -> bytes:
        """The whole frames that are complete with these bytes, in order; raises FrameTooLargeError."""
        rest = self._rest
        if not rest and data[-2:] == b"\n\n" and len(data) <= self._max_bytes:
            return data
        searched = max(len(rest) - FRAME_END_BYTES, 0)
        rest += data
        end = start = 0
        for boundary in FRAME_END.finditer(rest, searched):
            start, end = end, boundary.end()
            self._check(end - start)
        self._check(len(rest) - end)
        whole = bytes(rest[:end])
        del rest[:end]
        return whole

    def finish(self) -> bytes:
        """What is left, which is no whole frame."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            message = f"an SSE frame is larger than {self._max_bytes} bytes"
            raise FrameTooLargeError(message)
