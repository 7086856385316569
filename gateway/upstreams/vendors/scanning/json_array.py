"""One JSON array that comes element by element, read beside the bytes.

The array's end is its terminal event: a client that reads the text needs the bracket, and nothing behind it.
"""

from __future__ import annotations

import re
from abc import abstractmethod

import msgspec

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict

_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')
_SEPARATORS = b" \t\r\n,"
_is_json = msgspec.json.Decoder(msgspec.Raw).decode


class JsonArrayScanner(FrameScanner):
    """Scans the elements of an array; a dialect says what they mean. An element that is not whole waits."""

    bare_end = re.compile(rb"[\s,]*\]\s*")

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self._depth = 0
        self._is_inside = False
        """Whether a string is not closed yet."""
        self._walked = 0
        """So much of ``_rest`` is in ``_depth`` and ``_is_inside`` already."""

    @abstractmethod
    def inspect(self, element: bytes) -> Verdict:
        """Take note of an element, an object as it stands; ``pass`` or ``hold``. Called for those that may matter, and
        for the first ones."""

    @abstractmethod
    def may_matter(self, chunk: bytes) -> bool:
        """As ``SseScanner.may_matter``."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        if self._depth == 1 and not self._rest and not self._ended and _is_element(chunk):
            verdict = self._judge(chunk)
            if verdict == "pass":
                return chunk
            self._held, self._ended = chunk, True
            return b""
        return self._cut(chunk)

    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:  # noqa: ARG002 - formats differ
        """Walks the brackets and strings that were not walked yet."""
        rest = self._rest
        while (token := (_INSIDE if self._is_inside else _OUTSIDE).search(rest, self._walked)) is not None:
            sign = token[0]
            if sign == b"\\":
                if token.end() == len(rest):
                    self._walked = token.start()
                    return None
                self._walked = token.end() + 1
                continue
            self._walked = token.end()
            if sign == b'"':
                self._is_inside = not self._is_inside
            elif sign in b"[{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 1:
                    return token.span()
        self._walked = len(rest)
        return None

    def _judge(self, frame: bytes) -> Verdict:
        if self._depth <= 0:
            return "hold"
        self.sse_frames += 1
        element = frame.lstrip(_SEPARATORS + b"[") if self.sse_frames == 1 else frame.lstrip(_SEPARATORS)
        if self.looks_left:
            self.looks_left -= 1
        elif not self.may_matter(element):
            return "pass"
        return self.inspect(element)

    def _last(self, rest: bytes) -> Verdict:
        """An array without its end is no element."""
        if rest.strip(_SEPARATORS):
            self.answer.problem = self.answer.problem or "truncated"
        return "pass"

    def _drop(self, size: int) -> None:
        super()._drop(size)
        self._walked = max(self._walked - size, 0)


def _is_element(chunk: bytes) -> bool:
    """Whether a chunk is exactly one object, with what may stand between two."""
    element = chunk.lstrip(_SEPARATORS)
    if element[:1] != b"{":
        return False
    try:
        _is_json(element)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
