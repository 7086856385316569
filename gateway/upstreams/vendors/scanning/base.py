"""What scanners of all formats share: a stream cut into frames, those that matter looked at, the terminal one held.

What left and what is held are together what came, however the stream is cut. Nothing grows with a stream: a frame that
is larger than ``MAX_FRAME_BYTES`` is passed on unread, but for its end where it is terminal.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar, Literal

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.dialect import Answer

Verdict = Literal["pass", "hide", "hold"]
"""Let it go; take it out of the stream, as the client did not ask for it; keep it, as it ends the stream."""

MAX_LOOKS = 8
"""So many frames are looked at whatever is in them, until ``looks_left`` is set to 0: for the model's name."""


@lru_cache(maxsize=256)
def media_type(content_type: bytes) -> bytes:
    """``text/event-stream`` of a ``Content-Type``, in lower case and without its parameters."""
    return content_type.partition(b";")[0].strip().lower()


class FrameScanner(ABC):
    """Scans one streamed response; see ``StreamScanner``."""

    frame_ends: tuple[bytes, ...] = ()
    has_end: ClassVar[bool] = True
    """Whether streams of this dialect have a terminal event; one that stopped before it is then ``truncated``."""
    bare_end: ClassVar[re.Pattern[bytes] | None] = None
    """Of a terminal event that carries nothing of the answer, with anything that may stand around it."""
    end_bytes: ClassVar[int] = 0
    """Bytes at the end of an incomplete frame that may belong to what ends it."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        self.answer = Answer()
        self.sse_frames = 0
        self.hide_usage = hide_usage
        self.looks_left = MAX_LOOKS
        """Frames that are still looked at whatever is in them; a dialect sets 0 once it has what they are for."""
        self._rest = bytearray()
        """Of the stream, what is not a whole frame yet; of one that is too large, what may be part of its end."""
        self._held = b""
        self.ended = False
        """Whether the terminal event has arrived."""
        self._too_large: Verdict | None = None
        """While a frame that is too large passes: what it would be."""
        self._has_unread = False

    @property
    def passes_unread(self) -> bool:
        """Whether a frame that is too large is passing now."""
        return self._too_large is not None

    @property
    def ended_bare(self) -> bool:
        """Whether a terminal event that says nothing is all that is held."""
        return self.ended and self.bare_end is not None and self.bare_end.fullmatch(self._held) is not None

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""

    def finish(self) -> bytes:
        """Everything not sent yet."""
        if self.ended:
            self._explain("hold")
            return self._held
        rest = bytes(self._rest)
        self._rest.clear()
        verdict: Verdict = self._last(rest) if self._too_large is None and rest else "pass"
        self._explain(verdict)
        return b"" if verdict == "hide" else rest

    def _explain(self, last: Verdict) -> None:
        """Why nothing was counted, where something should have been."""
        answer = self.answer
        if answer.usage is None and not answer.problem:
            if self._has_unread:
                answer.problem = "frame_too_large"
            elif self.has_end and last != "hold":
                answer.problem = "truncated"

    @abstractmethod
    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:
        """Where in ``_rest`` the end of the frame from ``start`` begins and ends; it is not before ``searched``."""

    @abstractmethod
    def _judge(self, frame: bytes) -> Verdict:
        """What to do with a whole frame; takes note of what it says and counts it on the way."""

    def _last(self, rest: bytes) -> Verdict:
        """The same for a last frame that has no end."""
        return self._judge(rest)

    def _judge_head(self) -> Verdict:
        """The same for a frame that is too large, from its first bytes."""
        return "pass"

    def _cut(self, chunk: bytes) -> bytes:
        """The bytes that may go out now, frame for frame."""
        if self.ended:
            if len(self._held) < MAX_FRAME_BYTES:
                self._held += chunk
            return b""
        rest = self._rest
        searched = max(len(rest) - self.end_bytes, 0)
        rest += chunk
        out: list[bytes] = []
        start = 0
        while (boundary := self._find_end(start, max(start, searched))) is not None:
            before_end, end = boundary
            verdict = self._too_large or self._judge(bytes(rest[start:end]))
            if verdict == "hold":
                out.append(self._hold(start if self._too_large is None else before_end))
                return b"".join(out)
            if verdict == "pass":
                out.append(bytes(rest[start:end]))
            self._too_large = None
            start = end
        self._drop(start)
        out.append(self._let_go())
        return b"".join(out)

    def _hold(self, start: int) -> bytes:
        """The stream ends with the frame from ``start`` on; what is before it and was not let go yet may go."""
        before = bytes(self._rest[:start]) if self._too_large is not None else b""
        self._held, self.ended = bytes(self._rest[start:]), True
        self._rest.clear()
        return before

    def _let_go(self) -> bytes:
        """The part of an incomplete frame that need not wait."""
        if self._too_large is None:
            if len(self._rest) <= MAX_FRAME_BYTES:
                return b""
            self._too_large, self._has_unread = self._judge_head(), True
            self.sse_frames += 1
        return self._take(max(len(self._rest) - self.end_bytes, 0))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        self._drop(size)
        return taken

    def _drop(self, size: int) -> None:
        del self._rest[:size]
